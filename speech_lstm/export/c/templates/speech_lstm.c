/* Spoken commands in a stream of samples, recognised in integers alone. See speech_lstm.h.
 *
 * Qn is a fixed-point number: an integer that counts 2^-n. Probabilities, gates and hidden states are in Q15, the sums
 * that go into a function in Q12, features in Q11.
 */
#include "speech_lstm.h"

/* Tables */

${tables}

/* Functions */

/* value / 2^bits, rounded down: C leaves open what >> does with negative numbers. */
static int64_t shifted(int64_t value, int bits)
{
    return value >= 0 ? value >> bits : ~(~value >> bits);
}

static int32_t limited(int64_t value, int32_t most)
{
    if (value > most) {
        return most;
    }
    return value < -(int64_t)most ? -most : (int32_t)value;
}

/* Q12 to Q15 */
static int32_t sigmoid(int32_t x)
{
    const int32_t size = x < 0 ? -x : x;
    const int32_t inside = size < 65535 ? size : 65535;
    const int32_t low = SIGMOID[inside >> 8];
    const int32_t high = SIGMOID[(inside >> 8) + 1];
    const int32_t value = low + (((high - low) * (inside & 255)) >> 8);
    return x < 0 ? SPEECH_LSTM_ONE - value : value;
}

/* Q12 to Q15 */
static int32_t hyperbolic(int32_t x)
{
    return 2 * sigmoid(2 * limited(x, 32768)) - SPEECH_LSTM_ONE;
}

/* e^-x, Q12 of at least 0 to Q15 */
static int32_t exponential(int32_t x)
{
    const int32_t turns = ((x < 65536 ? x : 65536) * LOG2_E) >> 14;
    const int32_t place = (turns & 4095) >> 6;
    const int32_t low = EXP2[place];
    const int32_t high = EXP2[place + 1];
    return (low - (((low - high) * (turns & 63)) >> 6)) >> (turns >> 12);
}

/* Soft-max of values in Q12, into Q15 in the same place. */
static void softmax(int32_t *values, int count)
{
    int32_t most = values[0];
    int32_t total = 0;
    int i;
    for (i = 1; i < count; i++) {
        most = values[i] > most ? values[i] : most;
    }
    for (i = 0; i < count; i++) {
        values[i] = exponential(values[i] < most - 65536 ? 65536 : most - values[i]);
        total += values[i];
    }
    for (i = 0; i < count; i++) {
        values[i] = (int32_t)((((int64_t)values[i] << 15) + total / 2) / total);
    }
}

/* The binary logarithm in Q10, less LOG_CENTRE. */
static int32_t logarithm(uint64_t power)
{
    int32_t exponent = 63;
    int32_t low;
    int32_t high;
    int32_t value;
    int bits;
    for (bits = 32; bits > 0; bits /= 2) {
        if (power >> (64 - bits) == 0) {
            power <<= bits;
            exponent -= bits;
        }
    }
    low = LOG2[(power >> 56) & 127];
    high = LOG2[((power >> 56) & 127) + 1];
    value = low + (int32_t)(((int64_t)(high - low) * (int64_t)((power >> 40) & 0xFFFF)) >> 16);
    return (exponent - LOG_CENTRE) * 1024 + (value >> 5);
}

/* Front end */

/* A transform of the frame's even samples as real, its odd ones as imaginary parts; each stage halves. */
static void transform(speech_lstm_state *s)
{
    const int half = SPEECH_LSTM_FFT / 2;
    int size;
    int i;
    for (i = 0; i < half; i++) {
        int place = 0;
        int bit;
        for (bit = 1; bit < half; bit *= 2) {
            place = 2 * place + ((i & bit) != 0);
        }
        s->real[place] = 2 * i < SPEECH_LSTM_WINDOW ? s->samples[2 * i] * (int32_t)WINDOW[2 * i] : 0;
        s->imaginary[place] =
            2 * i + 1 < SPEECH_LSTM_WINDOW ? s->samples[2 * i + 1] * (int32_t)WINDOW[2 * i + 1] : 0;
    }
    for (size = 1; size < half; size *= 2) {
        for (i = 0; i < half; i += 2 * size) {
            int j;
            for (j = 0; j < size; j++) {
                const int64_t cosine = COSINE[j * (half / size)];
                const int64_t sine = SINE[j * (half / size)];
                int32_t *r = &s->real[i + j];
                int32_t *m = &s->imaginary[i + j];
                const int64_t a = (int64_t)r[0] * (1 << 30);
                const int64_t b = (int64_t)m[0] * (1 << 30);
                const int64_t e = r[size] * cosine + m[size] * sine;
                const int64_t f = m[size] * cosine - r[size] * sine;
                r[0] = (int32_t)shifted(a + e, 31);
                m[0] = (int32_t)shifted(b + f, 31);
                r[size] = (int32_t)shifted(a - e, 31);
                m[size] = (int32_t)shifted(b - f, 31);
            }
        }
    }
}

/* The power of a bin. */
static uint64_t power_of(const speech_lstm_state *s, int bin)
{
    const int half = SPEECH_LSTM_FFT / 2;
    const int64_t cosine = bin < half ? COSINE[bin] : -(1 << 30);
    const int64_t sine = bin < half ? SINE[bin] : 0;
    const int64_t a = s->real[bin % half];
    const int64_t b = s->imaginary[bin % half];
    const int64_t c = s->real[(half - bin) % half];
    const int64_t d = s->imaginary[(half - bin) % half];
    const int64_t x = shifted((a + c) * (1 << 30) + (b + d) * cosine + (c - a) * sine, 32);
    const int64_t y = shifted((b - d) * (1 << 30) + (c - a) * cosine - (b + d) * sine, 32);
    return (uint64_t)(x * x + y * y);
}

static void features(speech_lstm_state *s, int16_t *feature)
{
    int16_t logs[BANDS];
    int place = 0;
    int i;
    int j;
    transform(s);
    for (i = 0; i < BANDS; i++) {
        uint64_t sum = OFFSET;
        for (j = 0; j < BAND_COUNT[i]; j++) {
            sum += (power_of(s, BAND_FIRST[i] + j) >> POWER_SHIFT) * BAND_SHARE[place + j];
        }
        place += BAND_COUNT[i];
        logs[i] = (int16_t)logarithm(sum);
    }
    for (i = 0; i < FEATURES; i++) {
        int64_t sum = (int64_t)1 << (FEATURE_SHIFT - 1);
        for (j = 0; j < BANDS; j++) {
            sum += MATRIX[i * BANDS + j] * (int32_t)logs[j];
        }
        sum = shifted(sum, FEATURE_SHIFT) + FEATURE_BIAS[i];
        feature[i] = (int16_t)(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
    }
}

/* Network */

/* A row's product with x in Q12: row number `row` of a matrix of `count` columns. */
static int32_t product(const int8_t *weights, const int32_t *factors, const int16_t *x, int count, int row)
{
    const int8_t *w = weights + (int32_t)row * count;
    int32_t sum = 0;
    int i;
    for (i = 0; i < count; i++) {
        sum += (int32_t)w[i] * x[i];
    }
    return limited(shifted((int64_t)sum * factors[row] + (1 << 30), 31), 1 << 28);
}

typedef struct {
    int inputs;
    int units;
    const int8_t *input;
    const int32_t *input_factors;
    const int8_t *recurrent;
    const int32_t *recurrent_factors;
    const int32_t *bias;
    const int32_t *extra;
} layer;

static const layer LAYERS[] = {
${layers}
};

static int32_t from_input(const layer *l, const int16_t *x, int row)
{
    return product(l->input, l->input_factors, x, l->inputs, row) + l->bias[row];
}

static int32_t from_state(const layer *l, const int16_t *h, int row)
{
    return product(l->recurrent, l->recurrent_factors, h, l->units, row);
}

/* Q30 to a hidden state in Q15 */
static int16_t hidden_of(int32_t value)
{
    return (int16_t)limited(shifted((int64_t)value + (1 << 14), 15), 32767);
}

${cell}

/* One frame through all layers; the highest one's state and its scores of attention are kept. */
static void frame(speech_lstm_state *s)
{
    int16_t input[FEATURES];
    int16_t next[SPEECH_LSTM_WIDEST];
    const int16_t *x = input;
    int16_t *h = s->hidden;
    int32_t *c = s->memory;
    unsigned number;
    int i;
    features(s, input);
    for (number = 0; number < sizeof LAYERS / sizeof LAYERS[0]; number++) {
        const layer *l = &LAYERS[number];
        for (i = 0; i < l->units; i++) {
            next[i] = unit(l, x, h, &c[i], i);
        }
        for (i = 0; i < l->units; i++) {
            h[i] = next[i];
        }
        x = h;
        h += l->units;
        c += l->units;
    }
    for (i = 0; i < SPEECH_LSTM_WIDTH; i++) {
        s->past[s->newest][i] = x[i];
    }
    for (i = 0; i < SPEECH_LSTM_HEADS; i++) {
        s->attention[i][s->newest] = ${attention};
    }
    s->newest = (s->newest + 1) % SPEECH_LSTM_POOLED;
}

/* The probabilities of the labels for the last second. */
static void classify(speech_lstm_state *s)
{
    int16_t pooled[SPEECH_LSTM_HEADS * SPEECH_LSTM_WIDTH];
    int32_t shares[SPEECH_LSTM_POOLED];
    int head;
    int i;
    int t;
    for (head = 0; head < SPEECH_LSTM_HEADS; head++) {
        for (t = 0; t < SPEECH_LSTM_POOLED; t++) {
            shares[t] = s->attention[head][t];
        }
        softmax(shares, SPEECH_LSTM_POOLED);
        for (i = 0; i < SPEECH_LSTM_WIDTH; i++) {
            int64_t sum = 0;
            for (t = 0; t < SPEECH_LSTM_POOLED; t++) {
                sum += shares[t] * (int32_t)s->past[t][i];
            }
            pooled[head * SPEECH_LSTM_WIDTH + i] = (int16_t)limited(shifted(sum, 15), 32767);
        }
    }
    for (i = 0; i < SPEECH_LSTM_LABELS; i++) {
        s->scores[i] =
            product(HEAD_WEIGHTS, HEAD_FACTORS, pooled, SPEECH_LSTM_HEADS * SPEECH_LSTM_WIDTH, i) + HEAD_BIAS[i];
    }
    softmax(s->scores, SPEECH_LSTM_LABELS);
}

/* Decision */
${isolation}
/* The newest row, averaged with those before it. */
static void smooth(speech_lstm_state *s)
{
    const int32_t count = s->rows + 1 < SPEECH_LSTM_SMOOTHED ? s->rows + 1 : SPEECH_LSTM_SMOOTHED;
    int i;
    int j;
    for (i = 0; i < SPEECH_LSTM_LABELS; i++) {
        int32_t total = 0;
        s->recent[s->rows % SPEECH_LSTM_SMOOTHED][i] = s->scores[i];
        for (j = 0; j < count; j++) {
            total += s->recent[j][i];
        }
        for (j = 0; j < SPEECH_LSTM_WAIT; j++) {
            s->heights[j][i] = s->heights[j + 1][i];
            s->falls[j][i] = s->falls[j + 1][i];
        }
        s->heights[SPEECH_LSTM_WAIT][i] = total * 256 / count;
        s->falls[SPEECH_LSTM_WAIT][i] += s->heights[SPEECH_LSTM_WAIT][i] < RELEASES[i];
    }
}

/* Whether a label may fire at the row of this place, by its threshold and by when it and others fired. */
static int is_ready(const speech_lstm_state *s, int place, int label, int32_t threshold)
{
    const int32_t row = s->rows - SPEECH_LSTM_WAIT + place;
    const int32_t since = row - s->fired[label];
    const int has_fallen = s->falls[place][label] > s->fallen[label] && since >= REFRACTORY;
    int i;
    for (i = 0; i < SPEECH_LSTM_LABELS; i++) {
        if (row - s->fired[i] < LOCKOUT) {
            return 0;
        }
    }
    return row >= 0 && s->heights[place][label] >= threshold && (has_fallen || since >= AGAIN);
}

/* The label that fires at the newest row, by this and earlier rows from a place on, and its probability. */
static void decide(speech_lstm_state *s, speech_lstm_command *command, int place, const int32_t *thresholds)
{
    int32_t height = -1;
    int i;
    for (i = 0; i < SPEECH_LSTM_LABELS; i++) {
        if (s->rows - s->fired[i] < LOCKOUT) {
            return;
        }
    }
    for (; place <= SPEECH_LSTM_WAIT; place++) {
        for (i = 0; i < SPEECH_LSTM_LABELS; i++) {
            if (is_ready(s, place, i, thresholds[i]) && s->heights[place][i] > height) {
                command->label = i;
                height = s->heights[place][i];
            }
        }
    }
    if (command->label >= 0) {
        command->probability = height / 256;
        s->fired[command->label] = s->rows;
        s->fallen[command->label] = s->falls[SPEECH_LSTM_WAIT][command->label];
    }
}

static void row(speech_lstm_state *s, speech_lstm_command *command)
{
    classify(s);
    smooth(s);
    ${decide}
    command->end = (uint64_t)s->rows * HOP + FIRST_ROW;
    s->rows++;
}

/* Stream */

static void sample(speech_lstm_state *s, int16_t value)
{
    uint32_t i;
${measure}    s->samples[s->filled] = value;
    s->filled++;
    if (s->filled == SPEECH_LSTM_WINDOW) {
        frame(s);
        s->filled = SPEECH_LSTM_WINDOW - FRAME_HOP;
        for (i = 0; i < s->filled; i++) {
            s->samples[i] = s->samples[i + FRAME_HOP];
        }
    }
}

uint32_t speech_lstm_push(speech_lstm_state *state, const int16_t *samples, uint32_t count,
                          speech_lstm_command *command)
{
    uint32_t used;
    command->label = -1;
    command->probability = 0;
    command->end = 0;
    for (used = 0; used < count; used++) {
        sample(state, samples[used]);
        state->wait--;
        if (state->wait == 0) {
            state->wait = HOP;
            row(state, command);
            if (command->label >= 0) {
                return used + 1;
            }
        }
    }
    return count;
}

void speech_lstm_start(speech_lstm_state *state)
{
    int i;
    *state = (speech_lstm_state){0};
    for (i = 0; i < SPEECH_LSTM_LABELS; i++) {
        state->fired[i] = -AGAIN;
    }
    for (i = 0; i < MARGIN; i++) {
        sample(state, 0);
    }
    state->wait = SPEECH_LSTM_RATE - MARGIN;
}
