// The door to Nettle's SHA-256: a small system library, where a crypto package would be most of the first build.
#include <nettle/sha2.h>
