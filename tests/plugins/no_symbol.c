/* A shared object that is no plugin. */
extern const int hoi_not_a_plugin;
const int hoi_not_a_plugin = 1;
