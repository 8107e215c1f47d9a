/* h = tanh(W x + U h + b): unit number j of a layer */
static int16_t unit(const layer *l, const int16_t *x, const int16_t *h, int32_t *c, int j)
{
    (void)c;
    return hidden_of(hyperbolic(from_input(l, x, j) + from_state(l, h, j)) * SPEECH_LSTM_ONE);
}
