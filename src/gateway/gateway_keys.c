/*
 * gateway_keys.c
 *	  Access keys: the file that --keys names.
 *
 * A line has an access key id, its secret, the role that it stands for, and
 * perhaps a connection string, with blanks between.  A role's name may stand
 * in double quotes.  Empty lines and lines that begin with # are skipped.
 *
 * The table that is in use is replaced as a whole, under a lock.
 */
#define _GNU_SOURCE /* explicit_bzero */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "gateway/gateway_keys.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_options.h"

#define MAX_FILE_SIZE (16 * 1024 * 1024)
#define BLANKS		  " \t\r"

typedef struct Key
{
	char		 *access_key;
	char		 *secret;
	DatabasePool *pool;
	int			  line;
} Key;

typedef struct KeyTable
{
	Key	  *keys; /* in the order of access_key */
	size_t count;
} KeyTable;

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static KeyTable			current;

static void
free_table(KeyTable *table)
{
	for (size_t i = 0; i < table->count; i++)
	{
		if (table->keys[i].secret != NULL)
			explicit_bzero(table->keys[i].secret, strlen(table->keys[i].secret));
		free(table->keys[i].secret);
		free(table->keys[i].access_key);
	}
	free(table->keys);
	table->keys = NULL;
	table->count = 0;
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(((const Key *) a)->access_key, ((const Key *) b)->access_key);
}

/*
 * Takes a word, or a quoted name in which "" stands for ", off the line.
 * Returns NULL if there is none.
 */
static char *
next_word(char **line, bool may_be_quoted)
{
	char *word = *line + strspn(*line, BLANKS);
	char *end;

	if (*word == '\0')
		return NULL;
	if (may_be_quoted && *word == '"')
	{
		char *from = ++word;

		end = word;
		for (; *from != '\0'; *end++ = *from++)
		{
			if (*from != '"')
				continue;
			from++;
			if (*from != '"')
			{
				*end = '\0';
				*line = from;
				return word;
			}
		}
		return NULL; /* no quote ends it */
	}
	end = word + strcspn(word, BLANKS);
	*line = end + (*end != '\0');
	*end = '\0';
	return word;
}

/* Reads a line into a key.  Returns NULL, or what is wrong, malloc'd. */
static char *
parse_line(char *line, Key *key)
{
	char *access_key = next_word(&line, false);
	char *secret = next_word(&line, false);
	char *role = next_word(&line, true);
	char *error = NULL;

	if (access_key == NULL || secret == NULL || role == NULL || role[0] == '\0')
		return strdup("it needs an access key id, a secret access key and a role");
	for (const char *c = access_key; *c != '\0'; c++)
	{
		if (!isalnum((unsigned char) *c) && strchr("-_.", *c) == NULL)
			return strdup("an access key id may have letters, digits, '-', '_' and '.' only");
	}
	if (strlen(secret) >= KEYS_MAX_SECRET)
		return strdup("its secret is too long");
	key->pool = database_pool_find(gateway_options.conninfo,
								   line + strspn(line, BLANKS), role, &error);
	if (key->pool == NULL)
		return error;
	key->access_key = strdup(access_key);
	key->secret = strdup(secret);
	return key->access_key == NULL || key->secret == NULL ? strdup("out of memory") : NULL;
}

/* Reads all lines.  False, and logs, if one of them is wrong. */
static bool
parse_file(const char *file, char *text, KeyTable *table)
{
	int	  number = 0;
	char *rest = text;
	char *line;

	while ((line = strsep(&rest, "\n")) != NULL)
	{
		Key	  key = {.line = ++number};
		Key	 *keys;
		char *error;

		line[strcspn(line, "\r")] = '\0';
		line += strspn(line, BLANKS);
		if (*line == '\0' || *line == '#')
			continue;
		error = parse_line(line, &key);
		if (error != NULL)
		{
			gateway_log("%s, line %d: %s", file, number, error);
			free(error);
			free(key.access_key);
			return false;
		}
		keys = realloc(table->keys, (table->count + 1) * sizeof(Key));
		if (keys == NULL)
			return false;
		table->keys = keys;
		table->keys[table->count++] = key;
	}
	if (table->count > 0)
		qsort(table->keys, table->count, sizeof(Key), compare_keys);
	for (size_t i = 1; i < table->count; i++)
	{
		if (compare_keys(&table->keys[i - 1], &table->keys[i]) == 0)
		{
			gateway_log("%s, lines %d and %d: the same access key id", file,
						table->keys[i - 1].line, table->keys[i].line);
			return false;
		}
	}
	if (table->count == 0)
		gateway_log("%s has no keys", file);
	return true;
}

/*
 * Returns what is in the file, malloc'd.  NULL, and logs, if it cannot be read
 * or others than its owner can.
 */
static char *
read_key_file(const char *file)
{
	int			fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	char	   *text = NULL;
	ssize_t		length;

	if (fd < 0 || fstat(fd, &status) < 0)
		gateway_log("cannot read %s: %s", file, strerror(errno));
	else if (!S_ISREG(status.st_mode))
		gateway_log("%s is not a regular file", file);
	else if (status.st_mode & (S_IRWXG | S_IRWXO))
		gateway_log("%s is accessible to others than its owner: run chmod 0600 on it", file);
	else if (status.st_uid != geteuid() && status.st_uid != 0)
		gateway_log("%s belongs neither to this process's user nor to root", file);
	else if (status.st_size > MAX_FILE_SIZE)
		gateway_log("%s is too large", file);
	else if ((text = malloc((size_t) status.st_size + 1)) != NULL)
	{
		length = read(fd, text, (size_t) status.st_size);
		text[length > 0 ? length : 0] = '\0';
		if (length < 0 || (size_t) length != strlen(text))
		{
			gateway_log("cannot read %s: %s", file,
						length < 0 ? strerror(errno) : "it holds a zero byte");
			free(text);
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return text;
}

bool
keys_load(const char *file)
{
	char	*text = read_key_file(file);
	KeyTable table = {0};
	bool	 done = false;

	if (text == NULL)
		return false;
	if (parse_file(file, text, &table))
	{
		KeyTable old;

		pthread_rwlock_wrlock(&lock);
		old = current;
		current = table;
		pthread_rwlock_unlock(&lock);
		table = old;
		done = true;
	}
	free_table(&table);
	explicit_bzero(text, strlen(text));
	free(text);
	return done;
}

bool
keys_find(const char *access_key, char *secret, DatabasePool **pool)
{
	Key			  wanted = {.access_key = (char *) access_key};
	Key			 *key = NULL;
	unsigned char random[20];

	pthread_rwlock_rdlock(&lock);
	if (current.count > 0)
		key = bsearch(&wanted, current.keys, current.count, sizeof(Key), compare_keys);
	if (key != NULL)
	{
		strcpy(secret, key->secret);
		*pool = key->pool;
	}
	pthread_rwlock_unlock(&lock);
	if (key == NULL)
	{
		if (RAND_bytes(random, sizeof(random)) != 1)
			memset(random, 0, sizeof(random));
		for (size_t i = 0; i < sizeof(random); i++)
			sprintf(secret + 2 * i, "%02x", random[i]);
	}
	return key != NULL;
}

bool
keys_each_pool(bool (*visit)(DatabasePool *pool))
{
	bool all = true;

	pthread_rwlock_rdlock(&lock);
	for (size_t i = 0; i < current.count; i++)
	{
		size_t j;

		for (j = 0; j < i && current.keys[j].pool != current.keys[i].pool; j++)
			;
		if (j == i)
			all = visit(current.keys[i].pool) && all;
	}
	pthread_rwlock_unlock(&lock);
	return all;
}
