/*
 * text_buffer.c
 *	  A text that grows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/text_buffer.h"

#define FIRST_SIZE 256

void
text_init(TextBuffer *buffer)
{
	buffer->length = 0;
	buffer->size = FIRST_SIZE;
	buffer->data = malloc(FIRST_SIZE);
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

void
text_free(TextBuffer *buffer)
{
	free(buffer->data);
	buffer->data = NULL;
	buffer->length = 0;
}

void
text_reset(TextBuffer *buffer)
{
	buffer->length = 0;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

bool
text_is_broken(const TextBuffer *buffer)
{
	return buffer->data == NULL;
}

/* Makes room for so many bytes and the terminator. */
static bool
reserve(TextBuffer *buffer, size_t more)
{
	size_t size = buffer->size;
	char  *data;

	if (buffer->data == NULL)
		return false;
	if (buffer->length + more < size)
		return true;
	while (size <= buffer->length + more)
		size *= 2;
	data = realloc(buffer->data, size);
	if (data == NULL)
	{
		text_free(buffer);
		return false;
	}
	buffer->data = data;
	buffer->size = size;
	return true;
}

void
text_append_bytes(TextBuffer *buffer, const char *bytes, size_t length)
{
	if (!reserve(buffer, length))
		return;
	memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void
text_append(TextBuffer *buffer, const char *text)
{
	text_append_bytes(buffer, text, strlen(text));
}

void
text_append_char(TextBuffer *buffer, char c)
{
	text_append_bytes(buffer, &c, 1);
}

void
text_append_format(TextBuffer *buffer, const char *format, ...)
{
	va_list args;
	int		length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0 || !reserve(buffer, (size_t) length))
		return;
	va_start(args, format);
	vsnprintf(buffer->data + buffer->length, (size_t) length + 1, format, args);
	va_end(args);
	buffer->length += (size_t) length;
}
