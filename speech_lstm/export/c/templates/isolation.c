
/* The loudest of PAUSE frames from this place on. */
static uint32_t loudest(const speech_lstm_state *s, int place)
{
    uint32_t most = 0;
    int i;
    for (i = 0; i < PAUSE; i++) {
        const uint32_t power = s->powers[(s->frames + (uint32_t)(place + i)) % SPEECH_LSTM_POWERS];
        most = power > most ? power : most;
    }
    return most;
}

/* The quietest pause among those that begin at the places first to last. */
static uint32_t quietest(const speech_lstm_state *s, int first, int last)
{
    uint32_t least = UINT32_MAX;
    int i;
    for (i = first; i <= last; i++) {
        const uint32_t pause = loudest(s, i);
        least = pause < least ? pause : least;
    }
    return least;
}

/* Whether the word before the newest row stands alone: by how much the pauses around it lie below it. */
static int is_alone(const speech_lstm_state *s)
{
    const int begin = SPEECH_LSTM_POWERS - SPAN;
    /* Frames before the stream are a pause, but not the quietest one. */
    const int missing = s->frames < SPEECH_LSTM_POWERS ? SPEECH_LSTM_POWERS - (int)s->frames : 0;
    const int first = missing > PAUSE ? missing : PAUSE;
    uint64_t word = 0;
    uint64_t louder;
    uint64_t floor;
    uint32_t before;
    uint32_t after;
    int peak = 0;
    int i;
    for (i = PAUSE; i <= SPAN - PAUSE - 1; i++) {
        uint64_t sum = 0;
        int j;
        for (j = -1; j <= 1; j++) {
            sum += s->powers[(s->frames + (uint32_t)(begin + i + j)) % SPEECH_LSTM_POWERS];
        }
        if (sum > word) {
            word = sum;
            peak = i;
        }
    }
    if (word == 0) {
        return 0;
    }
    before = quietest(s, begin, begin + peak - PAUSE);
    after = quietest(s, begin + peak + 1, begin + SPAN - PAUSE);
    louder = before > after ? before : after;
    if (word * 256 >= 3 * louder * ISOLATION) {
        return 1;
    }
    floor = quietest(s, first, SPEECH_LSTM_POWERS - PAUSE);
    return louder * 256 <= floor * OVER_FLOOR && word * 256 >= 3 * louder * LEAST;
}

/* Add a sample to the power of its frame. */
static void measure(speech_lstm_state *s, int16_t value)
{
    s->energy += (uint32_t)((int32_t)value * value);
    s->measured++;
    if (s->measured == POWER_FRAME) {
        const uint64_t power = s->energy >> 6;
        s->powers[s->frames % SPEECH_LSTM_POWERS] = power < UINT32_MAX ? (uint32_t)power : UINT32_MAX;
        s->frames++;
        s->energy = 0;
        s->measured = 0;
    }
}

