// Classifies a text by the C interface: classify MODEL.mpc TEXT. A program of C and of C++.
#include "magic_pyramid.h"

#include <stdio.h>
#include <string.h>

int main(int count, char **arguments) {
  char *error = NULL, *version = magic_pyramid_version();
  magic_pyramid_classifier *model = count == 3 ? magic_pyramid_open(arguments[1], NULL, &error) : NULL;
  if (!model || magic_pyramid_interface() != MAGIC_PYRAMID_INTERFACE) {
    fprintf(stderr, "%s: %s\n", version, error ? error : "usage: classify MODEL.mpc TEXT");
    magic_pyramid_free(error);
    magic_pyramid_free(version);
    return 1;
  }
  const int64_t offsets[2] = {0, (int64_t)strlen(arguments[2])};
  int32_t label = -1, layer = -1;
  int status = magic_pyramid_classify(
    model, arguments[2], offsets, 1, NULL, NULL, &label, NULL, NULL, &layer, NULL, &error);
  char *line = status ? NULL : magic_pyramid_classify_json(model, arguments[2], offsets, 1, NULL, NULL, &error);
  char *about = magic_pyramid_describe(model);
  if (line) printf("%d of %d after layer %d\n%s%s\n", label, magic_pyramid_classes(model), layer, line, about);
  if (error) fprintf(stderr, "%s: %s\n", version, error);
  magic_pyramid_free(line);
  magic_pyramid_free(about);
  magic_pyramid_free(error);
  magic_pyramid_free(version);
  magic_pyramid_close(model);
  return line ? 0 : 1;
}
