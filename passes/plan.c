// Greedy by size: the largest buffer first, each into the tightest gap between those already placed
// whose lifetimes touch its own. Large buffers decide the peak, so they choose first; small ones
// fill the gaps they leave.
//
// Placed records are kept in a segment tree over the steps, so that finding those alive during an
// interval does not look at all others. A record alive from a to b sits in O(log steps) nodes that
// cover a..b exactly; what overlaps a query sits above its nodes or below them.
#include "plan.h"

#include <stdbool.h>
#include <stdlib.h>

// Beyond so many neighbours a record goes on top of them instead of into the tightest gap, to stay
// clear of n^2 log n.
enum { NEIGHBOURS_MAX = 2048 };

struct entry {
    int record, next;
};
struct tree {
    int steps;   // leaves, a power of two
    int *head;   // per node: entries of records that cover it exactly
    bool *below; // per node: something sits in its subtree
    struct entry *entry;
    size_t num, cap;
};
struct planner {
    struct plan_usage *u;
    struct tree tree;
    int *stamp; // per record: the query that met it last
    int query;
    int *near; // records that the query met
    int num_near;
    struct arena *scratch;
};

static void tree_insert(struct planner *p, int node, int lo, int hi, int record)
{
    struct tree *t = &p->tree;
    const struct plan_usage *u = &p->u[record];
    if (u->last < lo || u->first > hi)
        return;
    t->below[node] = true;
    if (u->first <= lo && hi <= u->last) {
        t->entry = arena_grow(p->scratch, t->entry, t->num, t->num + 1, sizeof *t->entry, &t->cap);
        t->entry[t->num] = (struct entry){record, t->head[node]};
        t->head[node] = (int)t->num++;
        return;
    }
    int mid = lo + (hi - lo) / 2;
    tree_insert(p, 2 * node, lo, mid, record);
    tree_insert(p, 2 * node + 1, mid + 1, hi, record);
}

static void tree_query(struct planner *p, int node, int lo, int hi, const struct plan_usage *u)
{
    struct tree *t = &p->tree;
    if (!t->below[node] || u->last < lo || u->first > hi)
        return;
    for (int e = t->head[node]; e >= 0; e = t->entry[e].next) {
        int r = t->entry[e].record;
        if (p->stamp[r] != p->query) {
            p->stamp[r] = p->query;
            p->near[p->num_near++] = r;
        }
    }
    if (lo == hi)
        return;
    int mid = lo + (hi - lo) / 2;
    tree_query(p, 2 * node, lo, mid, u);
    tree_query(p, 2 * node + 1, mid + 1, hi, u);
}

static uint64_t align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

// ---- Order of placement and of neighbours. Sorted are pairs with the record's number, so that the
// order is total.

struct key {
    uint64_t major;
    int minor, record;
};

static int key_compare(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->major != y->major)
        return x->major < y->major ? -1 : 1;
    if (x->minor != y->minor)
        return x->minor < y->minor ? -1 : 1;
    return (x->record > y->record) - (x->record < y->record);
}

static uint64_t top_of_neighbours(const struct planner *p)
{
    uint64_t top = 0;
    for (int i = 0; i < p->num_near; i++) {
        const struct plan_usage *n = &p->u[p->near[i]];
        if (n->offset + n->bytes > top)
            top = n->offset + n->bytes;
    }
    return top;
}

// The start of the smallest gap that takes the record, the lowest of equals; above all neighbours
// when none does.
static uint64_t tightest_gap(const struct planner *p, const struct plan_usage *u, struct key *keys)
{
    for (int i = 0; i < p->num_near; i++)
        keys[i] = (struct key){p->u[p->near[i]].offset, 0, p->near[i]};
    qsort(keys, (size_t)p->num_near, sizeof *keys, key_compare);
    uint64_t end = 0, best = UINT64_MAX, best_gap = UINT64_MAX;
    for (int i = 0; i < p->num_near; i++) {
        const struct plan_usage *n = &p->u[keys[i].record];
        uint64_t start = align_up(end, u->align);
        if (n->offset > start && n->offset - start >= u->bytes && n->offset - end < best_gap) {
            best = start;
            best_gap = n->offset - end;
        }
        if (n->offset + n->bytes > end)
            end = n->offset + n->bytes;
    }
    return best != UINT64_MAX ? best : align_up(end, u->align);
}

static void place(struct planner *p, int record, struct key *keys)
{
    struct plan_usage *u = &p->u[record];
    p->query++;
    p->num_near = 0;
    tree_query(p, 1, 0, p->tree.steps - 1, u);
    u->offset = p->num_near > NEIGHBOURS_MAX ? align_up(top_of_neighbours(p), u->align)
                                             : tightest_gap(p, u, keys);
    tree_insert(p, 1, 0, p->tree.steps - 1, record);
}

uint64_t plan_offsets(struct plan_usage *u, int n, struct arena *scratch)
{
    struct planner p = {.u = u, .scratch = scratch};
    struct key *order = ARENA_ARRAY(scratch, (size_t)n, struct key);
    struct key *keys = ARENA_ARRAY(scratch, NEIGHBOURS_MAX, struct key);
    int steps = 1;
    for (int i = 0; i < n; i++) {
        order[i] = (struct key){UINT64_MAX - u[i].bytes, u[i].first, i};
        while (steps <= u[i].last)
            steps *= 2;
    }
    p.tree.steps = steps;
    p.tree.head = ARENA_ARRAY(scratch, 2 * (size_t)steps, int);
    p.tree.below = ARENA_ARRAY(scratch, 2 * (size_t)steps, bool);
    for (int i = 0; i < 2 * steps; i++)
        p.tree.head[i] = -1;
    p.stamp = ARENA_ARRAY(scratch, (size_t)n, int);
    p.near = ARENA_ARRAY(scratch, (size_t)n, int);
    qsort(order, (size_t)n, sizeof *order, key_compare);
    uint64_t total = 0;
    for (int i = 0; i < n; i++) {
        struct plan_usage *r = &u[order[i].record];
        if (r->bytes == 0)
            r->offset = 0;
        else
            place(&p, order[i].record, keys);
        if (r->offset + r->bytes > total)
            total = r->offset + r->bytes;
    }
    return total;
}
