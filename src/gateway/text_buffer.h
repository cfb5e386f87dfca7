/*
 * text_buffer.h
 *	  A text that grows.
 *
 * When memory runs out the buffer is marked broken, and stays so: appending to
 * it does nothing.  A caller looks once, at the end (text_is_broken).
 */
#ifndef DDBSTREAMS_TEXT_BUFFER_H
#define DDBSTREAMS_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct TextBuffer
{
	char  *data; /* terminated; malloc'd, NULL if broken */
	size_t length;
	size_t size;
} TextBuffer;

extern void text_init(TextBuffer *buffer);
extern void text_free(TextBuffer *buffer);
extern void text_reset(TextBuffer *buffer);
extern bool text_is_broken(const TextBuffer *buffer);
extern void text_append(TextBuffer *buffer, const char *text);
extern void text_append_bytes(TextBuffer *buffer, const char *bytes, size_t length);
extern void text_append_char(TextBuffer *buffer, char c);
extern void text_append_format(TextBuffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* DDBSTREAMS_TEXT_BUFFER_H */
