/*
 * change_source.c
 *	  Where the changes in the change buffer come from: files of tables.
 *
 * An item has the number of its source in place of what all changes of a file
 * have in common.  Everything is in TopTransactionContext.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "utils/memutils.h"

#include "capture/change_source.h"

static ChangeSource *sources = NULL;
static uint32		 source_count = 0;
static uint32		 source_capacity = 0;
static uint32		 last_generation = 0;
static bool			 has_new_files = false;

/* Is a source of the file that a relation has now? */
static bool
source_is_of(const ChangeSource *source, Relation rel)
{
	return source->relid == RelationGetRelid(rel) &&
		   compat_locator_number(source->locator) == compat_file_number(rel);
}

static uint32
add_source(const ChangeSource *source)
{
	if (source_count == source_capacity)
	{
		uint32 capacity = Max(4, source_capacity * 2);

		if (sources == NULL)
			sources = MemoryContextAlloc(TopTransactionContext,
										 capacity * sizeof(ChangeSource));
		else
			sources = repalloc_huge(sources, capacity * sizeof(ChangeSource));
		source_capacity = capacity;
	}
	sources[source_count] = *source;
	return source_count++;
}

/*
 * Neither TRUNCATE nor ALTER TABLE runs while trigger events of the table are
 * pending, so all changes of a generation are captured before those of the
 * next.
 *
 * A file that is older than the transaction stays as it is until the
 * transaction ends, even if the table gets another one or is dropped: no
 * version of a row that the transaction has made or superseded can be removed
 * before.  A file that the transaction has made may be truncated.
 */
uint32
change_source_find(Relation rel, int64 descriptor_id)
{
	ChangeSource source;

	memset(&source, 0, sizeof(source));
	source.generation = 0;
	for (uint32 i = source_count; i > 0 && source.generation == 0; i--)
	{
		if (!source_is_of(&sources[i - 1], rel))
			continue;
		source.generation = sources[i - 1].generation;
		if (sources[i - 1].descriptor_id == descriptor_id)
			return i - 1;
	}
	if (source.generation == 0)
	{
		source.generation = ++last_generation;
		for (uint32 i = 0; i < source_count; i++)
			has_new_files |= sources[i].relid == RelationGetRelid(rel);
	}
	source.relid = RelationGetRelid(rel);
	source.locator = compat_file_locator(rel);
	source.keeps_rows = rel->rd_rel->relam == HEAP_TABLE_AM_OID &&
						RelationIsPermanent(rel) &&
						rel->rd_createSubid == InvalidSubTransactionId &&
						!compat_has_new_file(rel);
	source.descriptor_id = descriptor_id;
	return add_source(&source);
}

bool
change_source_has_new_files(void)
{
	return has_new_files;
}

void
change_source_new_generation(Relation rel)
{
	has_new_files = true;
	for (uint32 i = source_count; i > 0; i--)
	{
		if (source_is_of(&sources[i - 1], rel))
		{
			ChangeSource source = sources[i - 1];

			source.generation = ++last_generation;
			(void) add_source(&source);
			return;
		}
	}
}

const ChangeSource *
change_source_get(uint32 number)
{
	Assert(number < source_count);
	return &sources[number];
}

static void
reset_sources(void)
{
	sources = NULL;
	source_count = source_capacity = 0;
	last_generation = 0;
}

void
change_source_close(void)
{
	if (sources != NULL)
		pfree(sources);
	reset_sources();
}

/* The memory goes with the transaction's context. */
void
change_source_forget(void)
{
	reset_sources();
	has_new_files = false;
}
