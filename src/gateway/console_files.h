/*
 * console_files.h
 *	  The files of console/, which are a part of the program.
 */
#ifndef DDBSTREAMS_CONSOLE_FILES_H
#define DDBSTREAMS_CONSOLE_FILES_H

#include <stddef.h>

typedef struct ConsoleFile
{
	const char *name;
	const char *data; /* a zero byte follows */
	size_t		length;
} ConsoleFile;

/* Returns the file of this name, or NULL. */
extern const ConsoleFile *console_file_find(const char *name);

#endif /* DDBSTREAMS_CONSOLE_FILES_H */
