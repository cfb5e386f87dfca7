/*
 * gateway_log.c
 *	  One line on stderr for each event.
 *
 * A line is written by one write(), so that lines of threads do not mix.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/gateway_log.h"

#define LINE_SIZE 2048

void
gateway_log(const char *format, ...)
{
	char			line[LINE_SIZE];
	struct timespec now;
	struct tm		broken;
	va_list			args;
	size_t			length;
	int				written;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &broken);
	length = strftime(line, sizeof(line), "%Y-%m-%d %H:%M:%S", &broken);
	length += (size_t) snprintf(line + length, sizeof(line) - length,
								".%03ld UTC " PROGRAM_NAME ": ",
								now.tv_nsec / 1000000);
	va_start(args, format);
	written = vsnprintf(line + length, sizeof(line) - length - 1, format, args);
	va_end(args);
	if (written < 0)
		return;
	for (; line[length] != '\0'; length++)
	{
		if ((unsigned char) line[length] < ' ' || line[length] == '\177')
			line[length] = '?';
	}
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0)
		return; /* there is nobody to tell */
}
