/*
 * delivery_survey.c
 *	  Which mappings are to be discovered, and when.
 *
 * A survey reads the list of the database's mappings.  A mapping that is new,
 * has changed, is gone, or has failed batches to be redriven, is to be
 * discovered (delivery_discover.c); so is one when one of its units has ended.
 * Most of what can be learnt from the tables is learnt that way.  For the rest
 * (a stream or a shard expires) a survey is thorough from time to time: then
 * all mappings are discovered as a routine.
 *
 * Each role can make hundreds of mappings, each with thousands of lanes, so
 * that all of this may take many seconds.  Therefore it is done in steps, of
 * which each is small: SURVEY_MAPPINGS rows of the list, or DISCOVERY_SHARDS
 * shards of one mapping.  Between two steps the dispatcher gives units to
 * handler workers.  The three kinds of work (the list, what is urgent, what is
 * routine) are done in turn, as far as there are any, and so are the mappings
 * of different roles: none of them keeps another one waiting for long.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/syscache.h"

#include "base/own_transaction.h"
#include "delivery/delivery_discover.h"
#include "delivery/delivery_redrive.h"
#include "delivery/delivery_survey.h"
#include "registry/owner_sql.h"
#include "registry/row.h"
#include "shard/shard_watch.h"

/* How many mappings of the list a step reads, at most */
#define SURVEY_MAPPINGS 500

#define LISTED_COLUMNS(COLUMN)                         \
	COLUMN(listed, mapping_no, INT8OID, ROW_FIXED)     \
	COLUMN(listed, role_id, OIDOID, ROW_FIXED)         \
	COLUMN(listed, version, INT8OID, ROW_FIXED)        \
	COLUMN(listed, redrives, BOOLOID, ROW_FIXED)       \
	COLUMN(listed, database_id, OIDOID, ROW_PARAMETER) \
	COLUMN(listed, above, INT8OID, ROW_PARAMETER)      \
	COLUMN(listed, at_a_time, INT4OID, ROW_PARAMETER)
ROW_TABLE(listed, LISTED_COLUMNS);

typedef struct ListedMapping
{
	int64 mapping_no;
	Oid	  role;
	int64 version;
	bool  redrives; /* failed batches wait to be delivered again */
} ListedMapping;

/* The present survey */
static bool	  survey_runs = false;
static bool	  survey_is_thorough = false;
static uint32 survey_no = 0;
static int64  surveyed_to = 0; /* the last mapping_no that was read */

/* The next one */
static bool survey_wanted = false;
static bool thorough_wanted = false;

/* Mappings that are to be discovered */
static dlist_head urgent = DLIST_STATIC_INIT(urgent);
static dlist_head routine = DLIST_STATIC_INIT(routine);

/* The last kind of work that was done */
static int last_turn = 0;

#define WORK_KINDS 3

/* --- wishes -------------------------------------------------------------- */

static void
want_mapping(QueuedMapping *mapping, DiscoveryWish wish)
{
	/* What it has read already may have changed since. */
	if (mapping->is_begun)
		mapping->again = Max(mapping->again, wish);
	else
		mapping->wanted_at = delivery_discover_wish();
	if (mapping->wish >= wish)
		return;
	if (mapping->wish != DISCOVERY_NOT_WANTED)
		dlist_delete(&mapping->wish_node);
	mapping->wish = wish;
	dlist_push_tail(wish == DISCOVERY_URGENT ? &urgent : &routine, &mapping->wish_node);
}

void
delivery_survey_want_mapping(QueuedMapping *mapping)
{
	want_mapping(mapping, DISCOVERY_URGENT);
}

void
delivery_survey_want(bool thorough)
{
	survey_wanted = true;
	thorough_wanted |= thorough;
}

bool
delivery_survey_has_work(void)
{
	return survey_runs || survey_wanted || !dlist_is_empty(&urgent) ||
		   !dlist_is_empty(&routine);
}

/* --- the list of mappings ------------------------------------------------ */

static void *
listed_from_row(const TableRow *row)
{
	ListedMapping *listed = palloc(sizeof(ListedMapping));

	listed->mapping_no = row_int64(row, Anum_listed_mapping_no);
	listed->role = row_oid(row, Anum_listed_role_id);
	listed->version = row_int64(row, Anum_listed_version);
	listed->redrives = row_bool(row, Anum_listed_redrives);
	return listed;
}

/* Reads the next mappings that are enabled in this database. */
static List *
read_list(void)
{
	TableRow key;

	row_init(&key, &listed_table);
	row_set_oid(&key, Anum_listed_database_id, MyDatabaseId);
	row_set_int64(&key, Anum_listed_above, surveyed_to);
	row_set_int32(&key, Anum_listed_at_a_time, SURVEY_MAPPINGS);
	return owner_sql_list("SELECT mapping_no, role_id, version,"
						  " EXISTS (SELECT FROM ddbstreams_shards.failed_batch AS b"
						  "  WHERE b.mapping_no = m.mapping_no"
						  "  AND b.redrive_at IS NOT NULL) AS redrives"
						  " FROM ddbstreams_shards.mapping AS m"
						  " WHERE mapping_no > $above AND enabled"
						  " AND database_id = $database_id"
						  " ORDER BY mapping_no LIMIT $at_a_time",
						  &key, listed_from_row);
}

static bool
redrive_is_known(int64 mapping_no)
{
	DeliveryUnit key = {mapping_no, 0, REDRIVE_LANE};

	return delivery_queue_find(&key) != NULL;
}

static void
survey_mapping(const ListedMapping *listed)
{
	QueuedMapping *mapping = delivery_queue_mapping(listed->mapping_no, listed->role);

	mapping->listed = survey_no;
	if (mapping->version != listed->version ||
		(listed->redrives && !redrive_is_known(listed->mapping_no)) ||
		!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(listed->role)))
		want_mapping(mapping, DISCOVERY_URGENT);
	else if (survey_is_thorough)
		want_mapping(mapping, DISCOVERY_ROUTINE);
}

/* A mapping that is known and not in the list has been deleted or disabled. */
static void
look_for_missing(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &delivery_queue_all_mappings)
	{
		QueuedMapping *mapping = dlist_container(QueuedMapping, node, iter.cur);

		if (mapping->listed != survey_no)
			want_mapping(mapping, DISCOVERY_URGENT);
	}
}

static void
survey_step(void)
{
	MemoryContext context = CurrentMemoryContext;
	List		 *found;
	ListCell	 *lc;

	if (!survey_runs)
	{
		survey_runs = true;
		survey_is_thorough = thorough_wanted;
		survey_wanted = false;
		thorough_wanted = false;
		survey_no++;
		surveyed_to = 0;
	}
	own_transaction_begin();
	MemoryContextSwitchTo(context);
	found = read_list();
	foreach (lc, found)
		survey_mapping(lfirst(lc));
	own_transaction_commit();
	if (list_length(found) == SURVEY_MAPPINGS)
	{
		surveyed_to = ((ListedMapping *) llast(found))->mapping_no;
		return;
	}
	survey_runs = false;
	look_for_missing();
}

/* --- discoveries --------------------------------------------------------- */

/* Watches the shards that have units now. */
static void
watch_shards(void)
{
	static uint64  watched_changes = 0;
	int			   count = 0;
	ShardWatchKey *keys;
	dlist_iter	   iter;

	if (watched_changes == delivery_queue_shard_changes)
		return;
	dlist_foreach (iter, &delivery_queue_all_shards)
		count++;
	keys = palloc(Max(count, 1) * sizeof(ShardWatchKey));
	count = 0;
	dlist_foreach (iter, &delivery_queue_all_shards)
	{
		QueuedShard *shard = dlist_container(QueuedShard, node, iter.cur);
		QueuedUnit	*unit = dlist_container(QueuedUnit, shard_node,
											dlist_head_node(&shard->units));

		keys[count].stream_id = unit->mapping->stream_id;
		keys[count++].shard_table = shard->shard_table;
	}
	shard_watch_set(keys, count);
	watched_changes = delivery_queue_shard_changes;
}

/*
 * Takes a step of the discovery of the list's first mapping.  Its units are
 * ready then.  Their shards are watched from here on, before a handler reads
 * them, so that no record that is appended meanwhile is missed.
 */
static void
discovery_step(dlist_head *list)
{
	QueuedMapping *mapping = dlist_head_element(QueuedMapping, wish_node, list);
	Oid			   role = mapping->role;
	bool		   complete = delivery_discover(mapping);

	elog(DEBUG1, "discovered mapping " INT64_FORMAT "%s", mapping->mapping_no,
		 complete ? "" : " in part");
	if (complete)
	{
		dlist_delete(&mapping->wish_node);
		mapping->wish = DISCOVERY_NOT_WANTED;
		if (mapping->again != DISCOVERY_NOT_WANTED)
		{
			DiscoveryWish again = mapping->again;

			mapping->again = DISCOVERY_NOT_WANTED;
			want_mapping(mapping, again);
		}
		else if (!mapping->active && dlist_is_empty(&mapping->units))
			delivery_queue_remove_mapping(mapping);
	}
	delivery_queue_move_role(list, offsetof(QueuedMapping, wish_node), role);
	watch_shards();
}

void
delivery_survey_step(void)
{
	for (int i = 0; i < WORK_KINDS; i++)
	{
		last_turn = (last_turn + 1) % WORK_KINDS;
		if (last_turn == 0 && (survey_runs || survey_wanted))
		{
			survey_step();
			break;
		}
		if (last_turn == 1 && !dlist_is_empty(&urgent))
		{
			discovery_step(&urgent);
			break;
		}
		if (last_turn == 2 && !dlist_is_empty(&routine))
		{
			discovery_step(&routine);
			break;
		}
	}
	pgstat_report_stat(!delivery_survey_has_work());
}
