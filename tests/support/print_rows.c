/* Prints what the C of a model computes for 16-bit samples from standard input: the newest probabilities after every
 * row, in blocks of 1 to 1600 samples as the argument says, and the commands. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "speech_lstm.h"

static speech_lstm_state state;

int main(int count_of_arguments, char **arguments)
{
    static int16_t samples[1 << 16];
    const size_t block = count_of_arguments > 1 ? (size_t)atoi(arguments[1]) : 1600;
    int32_t rows = 0;
    size_t count;
    speech_lstm_start(&state);
    while ((count = fread(samples, sizeof samples[0], block, stdin)) > 0) {
        uint32_t used = 0;
        while (used < count) {
            speech_lstm_command command;
            used += speech_lstm_push(&state, samples + used, (uint32_t)count - used, &command);
            if (state.rows != rows && block <= 1600) {
                int i;
                rows = state.rows;
                printf("row");
                for (i = 0; i < SPEECH_LSTM_LABELS; i++) {
                    printf(" %" PRId32, state.scores[i]);
                }
                printf("\n");
            }
            if (command.label >= 0) {
                printf("command %" PRId32 " %" PRId32 " %" PRIu64 "\n", command.label, command.probability,
                       command.end);
            }
        }
    }
    return 0;
}
