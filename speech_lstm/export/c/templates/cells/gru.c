/* h = z h + (1 - z) n: unit number j of a layer */
static int16_t unit(const layer *l, const int16_t *x, const int16_t *h, int32_t *c, int j)
{
    const int n = l->units;
    const int32_t r = sigmoid(from_input(l, x, j) + from_state(l, h, j));
    const int32_t z = sigmoid(from_input(l, x, n + j) + from_state(l, h, n + j));
    const int64_t inner = (int64_t)r * (from_state(l, h, 2 * n + j) + l->extra[j]) + (1 << 14);
    const int32_t candidate = hyperbolic(from_input(l, x, 2 * n + j) + (int32_t)shifted(inner, 15));
    (void)c;
    return hidden_of(z * h[j] + (SPEECH_LSTM_ONE - z) * candidate);
}
