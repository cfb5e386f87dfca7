/*
 * console_files.c
 *	  The files of console/, which are a part of the program.
 *
 * The Makefile makes console_files.inc of them: an array of bytes for each,
 * and the initializer of files.
 */
#include <string.h>

#include "gateway/console_files.h"

#include "gateway/console_files.inc"

const ConsoleFile *
console_file_find(const char *name)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	}
	return NULL;
}
