/* item: what kernel files stand on where one work-item does whole rows, as on processors: `piece`
   of them, so that the order of sums never depends on how many work-items there are. Put before
   each file of the cpu set; gpu/group.cl says the same for groups. */
#define EACH_ROW(r, rows)                                                                          \
    for (int r = get_global_id(0) * piece, r##_past = min((rows), r + piece); r < r##_past; ++r)
#define EACH_COLUMN(c, cols, r) for (int c = 0; c < (cols); c += VW)
#define EACH_PART(i, count, r) for (int i = 0; i < (count); ++i)
#define ONCE(r) true
#define TREE
#define SUM_ROW(v) sum_v(v)
#define MAX_ROW(v) max_v(v)
