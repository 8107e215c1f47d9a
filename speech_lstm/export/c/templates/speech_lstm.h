/* Spoken commands in a stream of samples, recognised in integers alone.
 *
 *     static speech_lstm_state state;
 *     speech_lstm_command command;
 *     speech_lstm_start(&state);
 *     while (there is sound) {
 *         get count samples;
 *         for (uint32_t used = 0; used < count;) {
 *             used += speech_lstm_push(&state, samples + used, count - used, &command);
 *             if (command.label >= 0) { ... speech_lstm_labels[command.label] ... }
 *         }
 *     }
 *
 * Written by `speech-lstm export --c` from the model
 * ${digest}.
 */
#ifndef SPEECH_LSTM_H
#define SPEECH_LSTM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPEECH_LSTM_RATE 16000 /* samples a second, one channel of 16 bits */
#define SPEECH_LSTM_ONE 32768  /* a probability of 1 */
/* Zeros to push after the end of a recording, so that a word at its end is whole. */
#define SPEECH_LSTM_TAIL ${tail}

/* Sizes of the network and of the decision. */
${sizes}

extern const char *const speech_lstm_labels[SPEECH_LSTM_LABELS];

typedef struct {
    int32_t label;       /* number of the label; -1: no command */
    int32_t probability; /* of SPEECH_LSTM_ONE */
    uint64_t end;        /* samples of the stream by which it was decided */
} speech_lstm_command;

/* Everything that is remembered of one stream. Nothing in it is a pointer. Read `scores` only. */
typedef struct {
    int16_t samples[SPEECH_LSTM_WINDOW]; /* of the next frame */
    uint32_t filled;
    int32_t real[SPEECH_LSTM_FFT / 2]; /* of the transform */
    int32_t imaginary[SPEECH_LSTM_FFT / 2];
    int16_t hidden[SPEECH_LSTM_UNITS]; /* Q15, of all layers */
    int32_t memory[SPEECH_LSTM_UNITS]; /* Q20 */
    int16_t past[SPEECH_LSTM_POOLED][SPEECH_LSTM_WIDTH]; /* hidden states of the highest layer */
    int32_t attention[SPEECH_LSTM_HEADS][SPEECH_LSTM_POOLED];
    uint32_t newest; /* the place of the next one */
    uint32_t wait;   /* samples until the next row */
    int32_t scores[SPEECH_LSTM_LABELS]; /* the newest probability of each label */
    int32_t rows; /* so far */
    int32_t recent[SPEECH_LSTM_SMOOTHED][SPEECH_LSTM_LABELS];
    int32_t heights[SPEECH_LSTM_WAIT + 1][SPEECH_LSTM_LABELS]; /* smoothed, Q23, the oldest first */
    uint32_t falls[SPEECH_LSTM_WAIT + 1][SPEECH_LSTM_LABELS];
    uint32_t fallen[SPEECH_LSTM_LABELS];
    int32_t fired[SPEECH_LSTM_LABELS];
${isolation_state}} speech_lstm_state;

/* Begin a stream. */
void speech_lstm_start(speech_lstm_state *state);

/* Read samples up to the first command among them. Returns how many were read: all, if there is no command. */
uint32_t speech_lstm_push(speech_lstm_state *state, const int16_t *samples, uint32_t count,
                          speech_lstm_command *command);

#ifdef __cplusplus
}
#endif
#endif
