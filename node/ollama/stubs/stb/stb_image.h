// What ollama's reader of pictures for models calls of stb_image, which module
// archives lack. llama9 serves text: no picture is ever read.

#include <stdarg.h> // these the reader has from stb_image.h
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline unsigned char *stbi_load_from_memory(const unsigned char *, int, int *, int *, int *, int) { return 0; }
static inline void stbi_image_free(void *) {}
