/* Commands in 16-bit samples at 16 kHz from standard input:
 *     arecord -f S16_LE -r 16000 | ./speech_lstm_listen
 */
#include <stdio.h>

#include "speech_lstm.h"

static speech_lstm_state state;
static const int16_t silence[SPEECH_LSTM_TAIL];

static void hear(const int16_t *samples, uint32_t count)
{
    speech_lstm_command command;
    uint32_t used;
    for (used = 0; used < count;) {
        used += speech_lstm_push(&state, samples + used, count - used, &command);
        if (command.label >= 0) {
            printf("%.1f s  %s  %d %%\n", (double)command.end / SPEECH_LSTM_RATE, speech_lstm_labels[command.label],
                   (int)(100 * (int64_t)command.probability / SPEECH_LSTM_ONE));
            fflush(stdout);
        }
    }
}

int main(void)
{
    int16_t samples[320];
    size_t count;
    speech_lstm_start(&state);
    while ((count = fread(samples, sizeof samples[0], 320, stdin)) > 0) {
        hear(samples, (uint32_t)count);
    }
    hear(silence, SPEECH_LSTM_TAIL);
    return 0;
}
