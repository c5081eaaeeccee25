/* Greedy sweeps over a sparse sign network, one weight after another, in plain C.

   cc -O3 -march=native -DDEGREE=3 greedy_sweep.c -o greedy_sweep
   ./greedy_sweep UNITS SWEEPS SEEDS BATCH...

   Every sweep draws a fresh mini-batch of at most 32 patterns (a bit each) and visits all
   weights of both layers in a fresh random permutation; a weight is flipped unless that
   makes more outputs wrong. Prints the microseconds of a sweep, and for each mini-batch
   size the mean fraction of wrong outputs in the last tenth of the sweeps. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define D DEGREE

typedef uint32_t Word;

static uint64_t generator = 88172645463325252u;

static uint64_t draw(void) {
    generator ^= generator << 13;
    generator ^= generator >> 7;
    generator ^= generator << 17;
    return generator;
}

/* A number below n: no division in the inner loop. */
static uint32_t below(uint32_t n) { return (uint32_t)(((draw() >> 32) * n) >> 32); }

/* Whether more than half of D - 1 words have a one; or as many have one as none. */
static inline void compare(const Word *words, Word *above, Word *tied) {
#if D == 3
    *above = words[0] & words[1];
    *tied = words[0] ^ words[1];
#else
    Word ones = 0, twos = 0, fours = 0, eights = 0;
    for (int k = 0; k < D - 1; k++) {
        Word carry = words[k], next;
        next = ones & carry; ones ^= carry; carry = next;
        next = twos & carry; twos ^= carry; carry = next;
        next = fours & carry; fours ^= carry; carry = next;
        eights ^= carry;
    }
    const int half = (D - 1) / 2;
    const Word planes[] = {eights, fours, twos, ones};
    *tied = ~(Word)0, *above = 0;
    for (int bit = 0; bit < 4; bit++) {
        const Word wanted = half >> (3 - bit) & 1 ? ~(Word)0 : 0;
        *above |= *tied & planes[bit] & ~wanted;
        *tied &= ~(planes[bit] ^ wanted);
    }
#endif
}

static inline Word majority(const Word *words) {
    Word above, tied;
    compare(words, &above, &tied);
    return above | (tied & words[D - 1]);
}

/* A graph regular on both sides without double edges: half-edges matched at random. */
static void draw_graph(int *graph, int units) {
    for (int i = 0; i < units * D; i++) graph[i] = i / D;
    for (int i = units * D - 1; i > 0; i--) {
        int j = (int)below(i + 1), kept = graph[i];
        graph[i] = graph[j];
        graph[j] = kept;
    }
    for (int again = 1; again;) {
        again = 0;
        for (int i = 0; i < units * D; i++)
            for (int k = i / D * D; k < i; k++)
                if (graph[k] == graph[i]) {
                    int j = (int)below(units * D), kept = graph[i];
                    graph[i] = graph[j];
                    graph[j] = kept;
                    again = 1;
                }
    }
}

static Word *words(int number) { return calloc(number, sizeof(Word)); }

static int units;
static int *inputs, *hidden, *order, *first_edge;
static uint16_t *output, *siblings;  /* of the edges that leave a unit, unit by unit */
static Word *teacher, *student, *patterns, *slots, *edges, *wrong;

static void draw_replica(void) {
    draw_graph(inputs, units);
    draw_graph(hidden, units);
    int *filled = calloc(units, sizeof(int)), *place = calloc(units * D, sizeof(int));
    for (int e = 0; e < units * D; e++) {
        place[e] = hidden[e] * D + filled[hidden[e]]++;
        output[place[e]] = (uint16_t)(e / D);
        first_edge[e / D] = place[e];
    }
    for (int e = 0; e < units * D; e++)
        for (int k = 1; k < D; k++)
            siblings[place[e] * (D - 1) + k - 1] =
                (uint16_t)place[e / D * D + (e + k) % D];
    free(filled);
    free(place);
    for (int w = 0; w < 2 * units * D; w++) {
        teacher[w] = draw() >> 63 ? ~(Word)0 : 0;
        student[w] = draw() >> 63 ? ~(Word)0 : 0;
        order[w] = w;
    }
}

static inline void compare_siblings(int e, Word *above, Word *tied) {
    Word found[D - 1];
    for (int k = 0; k < D - 1; k++) found[k] = edges[siblings[e * (D - 1) + k]];
    compare(found, above, tied);
}

/* Fills slots and edges by the weights; the outputs are xored into `wrong`. */
static void forward(const Word *weights) {
    for (int i = 0; i < units; i++) {
        for (int k = i * D; k < i * D + D; k++)
            slots[k] = patterns[inputs[k]] ^ weights[k];
        const Word unit = majority(slots + i * D);
        for (int e = i * D; e < i * D + D; e++)
            edges[e] = unit ^ weights[units * D + e];
    }
    for (int p = 0; p < units; p++) {
        Word above, tied;
        compare_siblings(first_edge[p], &above, &tied);
        wrong[p] ^= above | (tied & edges[first_edge[p]]);
    }
}

static void visit_first(int w, Word valid) {
    const int unit = w / D * D;
    int change = 0;
    Word others[D - 1], turned[D], above, flips;
    for (int k = 1; k < D; k++) others[k - 1] = slots[unit + (w - unit + k) % D];
    compare(others, &above, &flips);
    for (int l = 0; l < D; l++) {
        Word tied;
        compare_siblings(unit + l, &above, &tied);
        turned[l] = tied & flips;
        change += __builtin_popcount(turned[l] & valid) -
                  2 * __builtin_popcount(turned[l] & valid & wrong[output[unit + l]]);
    }
    const Word accepted = -(Word)(change <= 0); /* a branch would be mispredicted */
    student[w] ^= accepted;
    slots[w] ^= accepted;
    for (int l = 0; l < D; l++) {
        edges[unit + l] ^= flips & accepted;
        wrong[output[unit + l]] ^= turned[l] & accepted;
    }
}

static void visit_second(int e, Word valid) {
    Word above, tied;
    compare_siblings(e, &above, &tied);
    const int change = __builtin_popcount(tied & valid) -
                       2 * __builtin_popcount(tied & valid & wrong[output[e]]);
    const Word accepted = -(Word)(change <= 0);
    student[units * D + e] ^= accepted;
    edges[e] ^= accepted;
    wrong[output[e]] ^= tied & accepted;
}

/* One sweep; returns the fraction of wrong outputs before it, on the fresh batch. */
static double sweep(int batch) {
    const Word valid = batch == 32 ? ~(Word)0 : ((Word)1 << batch) - 1;
    for (int i = 0; i < units; i++) patterns[i] = (Word)(draw() >> 32);
    memset(wrong, 0, units * sizeof(Word));
    forward(teacher);
    forward(student);
    int errors = 0;
    for (int p = 0; p < units; p++) errors += __builtin_popcount(wrong[p] & valid);
    for (int i = 2 * units * D - 1; i > 0; i--) {
        int j = (int)below(i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (int i = 0; i < 2 * units * D; i++) {
        int w = order[i];
        if (w < units * D) {
            visit_first(w, valid);
        } else {
            visit_second(w - units * D, valid);
        }
    }
    return errors / (double)(units * batch);
}

int main(int argc, char **argv) {
    units = atoi(argv[1]);
    const int sweeps = atoi(argv[2]), seeds = atoi(argv[3]);
    inputs = calloc(units * D, sizeof(int));
    hidden = calloc(units * D, sizeof(int));
    first_edge = calloc(units, sizeof(int));
    output = calloc(units * D, sizeof(uint16_t));
    siblings = calloc(units * D * (D - 1), sizeof(uint16_t));
    order = calloc(2 * units * D, sizeof(int));
    teacher = words(2 * units * D);
    student = words(2 * units * D);
    patterns = words(units);
    slots = words(units * D);
    edges = words(units * D);
    wrong = words(units);
    double seconds = 0;
    for (int a = 4; a < argc; a++) {
        double error = 0;
        for (int s = 0; s < seeds; s++) {
            draw_replica();
            struct timespec began, ended;
            clock_gettime(CLOCK_MONOTONIC, &began);
            for (int t = 0; t < sweeps; t++) {
                double found = sweep(atoi(argv[a]));
                if (10 * t >= 9 * sweeps) error += found;
            }
            clock_gettime(CLOCK_MONOTONIC, &ended);
            seconds += ended.tv_sec - began.tv_sec + 1e-9 * (ended.tv_nsec - began.tv_nsec);
        }
        printf("%s %.5f\n", argv[a], error / seeds / (sweeps - (9 * sweeps + 9) / 10));
    }
    printf("%.3f\n", 1e6 * seconds / sweeps / seeds / (argc - 4));
    return 0;
}
