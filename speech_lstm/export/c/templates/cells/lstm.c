/* The memory in Q20 after one frame: gates and candidate in Q15. */
static int32_t remember(int32_t memory, int32_t forget, int32_t candidate, int32_t enter)
{
    const int64_t old = shifted((int64_t)forget * memory + (1 << 14), 15);
    return limited(old + shifted((int64_t)enter * candidate + (1 << 9), 10), INT32_MAX);
}

/* h = o tanh(c), c = f c + i z: unit number j of a layer */
static int16_t unit(const layer *l, const int16_t *x, const int16_t *h, int32_t *c, int j)
{
    const int n = l->units;
    const int32_t i = sigmoid(from_input(l, x, j) + from_state(l, h, j));
    const int32_t f = sigmoid(from_input(l, x, n + j) + from_state(l, h, n + j));
    const int32_t z = hyperbolic(from_input(l, x, 2 * n + j) + from_state(l, h, 2 * n + j));
    const int32_t o = sigmoid(from_input(l, x, 3 * n + j) + from_state(l, h, 3 * n + j));
    *c = remember(*c, f, z, i);
    return hidden_of(o * hyperbolic((int32_t)shifted(*c, 8)));
}
