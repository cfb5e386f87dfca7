/*
 * own_values.c
 *	  Copies of large values that the present transaction knows.
 *
 * A transaction that changes a row again and again must not store its large
 * values each time, nor twice if it changes the key.  While it runs, a value
 * out of line that it has found in a row of the table's present file cannot
 * give its number to another one: what the transaction has inserted or deleted
 * cannot be vacuumed, and the rest is locked by it.  That does not hold for
 * what an aborted subtransaction has found, so this is forgotten.
 *
 * There is room for a fixed number of values.  When it is used up, all are
 * forgotten, and those that come again are looked for elsewhere, or stored
 * once more.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "capture/own_values.h"

#define MAX_VALUES 16384

/* Which subtransaction has put a value */
typedef struct OwnPut
{
	SubTransactionId subid;
	OwnValueKey		 key;
} OwnPut;

/* All in TopTransactionContext, of the buffers with this serial number */
static uint64  buffer_serial = 0;
static HTAB	  *values = NULL;
static OwnPut *put_list = NULL; /* in their order */
static int	   put_count = 0;
static int	   put_capacity = 0;

static bool
is_present(void)
{
	return values != NULL && buffer_serial == change_buffer_serial();
}

static void
begin(void)
{
	HASHCTL ctl;

	ctl.keysize = sizeof(OwnValueKey);
	ctl.entrysize = sizeof(OwnValue);
	ctl.hcxt = TopTransactionContext;
	values = NULL;
	put_count = 0;
	put_capacity = 64;
	put_list = MemoryContextAlloc(TopTransactionContext,
								  put_capacity * sizeof(OwnPut));
	values = hash_create("ddbstreams own values", 64, &ctl,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	buffer_serial = change_buffer_serial();
}

static void
forget_all(void)
{
	hash_destroy(values);
	pfree(put_list);
	begin();
}

OwnValue *
own_values_find(const OwnValueKey *key)
{
	return is_present() ? hash_search(values, key, HASH_FIND, NULL) : NULL;
}

void
own_values_put(const OwnValue *value)
{
	OwnValue *entry;

	if (!is_present())
		begin();
	else if (put_count == MAX_VALUES)
		forget_all();
	if (put_count == put_capacity)
	{
		put_list = repalloc(put_list, 2 * put_capacity * sizeof(OwnPut));
		put_capacity *= 2;
	}
	entry = hash_search(values, &value->key, HASH_ENTER, NULL);
	*entry = *value;
	put_list[put_count].subid = GetCurrentSubTransactionId();
	put_list[put_count].key = value->key;
	put_count++;
}

/*
 * The ids of subtransactions rise, and while one is open nothing is put with a
 * lower id, so what is to be forgotten was put last.
 */
void
own_values_cut(SubTransactionId subid)
{
	if (!is_present())
		return;
	while (put_count > 0 && put_list[put_count - 1].subid >= subid)
		(void) hash_search(values, &put_list[--put_count].key, HASH_REMOVE, NULL);
}
