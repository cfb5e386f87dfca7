/*
 * row.h
 *	  One row of a table, with nulls: from a tuple, to a statement, to a view.
 *
 * A table has one list of its columns, from which everything is made that
 * has to agree with it:
 *
 *		#define LEASE_COLUMNS(COLUMN)                        \
 *			COLUMN(lease, shard_no, INT8OID, ROW_FIXED)      \
 *			COLUMN(lease, lease_owner, TEXTOID, ROW_SET)     \
 *			COLUMN(lease, checkpoint, INT8OID, ROW_SET)      \
 *			COLUMN(lease, old_owner, TEXTOID, ROW_PARAMETER)
 *		ROW_TABLE(lease, LEASE_COLUMNS);
 *
 * defines the numbers Anum_lease_shard_no = 1, Anum_lease_lease_owner = 2 and
 * so on, and the description lease_table.  Values are set and read by those
 * numbers:
 *
 *		TableRow row;
 *
 *		row_init(&row, &lease_table);				all columns are null
 *		row_set_int64(&row, Anum_lease_shard_no, shard_no);
 *		row_set_text(&row, Anum_lease_lease_owner, worker_id);
 *
 * A statement that owner_sql.h runs with a row names columns where SQL has
 * numbered parameters; row_statement says what is written for what:
 *
 *		$checkpoint				the row's value of that column
 *		$(columns)				shard_no, lease_owner, checkpoint
 *		$(values)				$1, $2, $3
 *		$(set)					lease_owner = $2, checkpoint = $3
 *		$(set but checkpoint)	lease_owner = $2; also of columns and values,
 *								and of several columns with commas between
 *
 * so that these are complete:
 *
 *		owner_sql_list("SELECT $(columns) FROM ddbstreams_shards.lease"
 *					   " WHERE shard_no = $shard_no", &row, lease_from_row);
 *		owner_sql_execute("INSERT INTO ddbstreams_shards.lease ($(columns))"
 *						  " VALUES ($(values))", &row);
 *		owner_sql_execute("UPDATE ddbstreams_shards.lease SET $(set)"
 *						  " WHERE shard_no = $shard_no"
 *						  " AND lease_owner = $old_owner", &row);
 *
 * A list also serves for the result of a set-returning function: set the
 * columns and call row_put.
 */
#ifndef DDBSTREAMS_ROW_H
#define DDBSTREAMS_ROW_H

#include "base/ddbstreams.h"

#include "access/attnum.h"
#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#define ROW_MAX_COLUMNS 40

typedef enum TableColumnKind
{
	ROW_FIXED,	  /* a column that $(set) leaves alone */
	ROW_SET,	  /* a column that $(set) sets */
	ROW_PARAMETER /* no column, but one more parameter of statements; last */
} TableColumnKind;

typedef struct TableColumn
{
	const char	   *name;
	Oid				type;
	TableColumnKind kind;
} TableColumn;

typedef struct RowTable
{
	const char		  *name;
	int				   count; /* of columns and parameters */
	const TableColumn *columns;
} RowTable;

typedef struct TableRow
{
	const RowTable *table;
	Datum			values[ROW_MAX_COLUMNS];
	bool			nulls[ROW_MAX_COLUMNS];
	ItemPointerData tid; /* of a row that is locked (own_row.c); else invalid */
} TableRow;

#define ROW_ANUM(table, name, type, kind)	Anum_##table##_##name,
#define ROW_COLUMN(table, name, type, kind) {#name, type, kind},

/* To be written once, in the .c file that reads and writes the table */
#define ROW_TABLE(table, COLUMNS)                     \
	enum                                              \
	{                                                 \
		Anum_##table##_before_first,                  \
		COLUMNS(ROW_ANUM)                             \
		Anum_##table##_after_last                     \
	};                                                \
	static const TableColumn table##_columns[] = {    \
		COLUMNS(ROW_COLUMN)};                         \
	StaticAssertDecl(lengthof(table##_columns) <=     \
						 ROW_MAX_COLUMNS,             \
					 "ROW_MAX_COLUMNS is too small"); \
	static const RowTable table##_table = {           \
		#table, lengthof(table##_columns), table##_columns}

extern void row_init(TableRow *row, const RowTable *table);

/*
 * Raises an error if desc has not the columns of the list, by name, type and
 * order.
 */
extern void row_check_columns(const RowTable *table, TupleDesc desc);

/*
 * Raises an error if tuples of desc cannot be read: if one of the first
 * columns is not what the list says.  There may be fewer columns than in the
 * list, or more: between the update of the library and that of the extension,
 * capture has to go on.  Each column that is missing is null.
 */
extern void row_check_readable(const RowTable *table, TupleDesc desc);

/*
 * Fills a row from a tuple, of which row_check_columns or row_check_readable
 * has seen the columns.  Values that are no numbers lie in the tuple, not in
 * copies.
 */
extern void row_read(TableRow *row, const RowTable *table, HeapTuple tuple,
					 TupleDesc desc);

/* Adds a row to the result of a set-returning function. */
extern void row_put(ReturnSetInfo *rsinfo, TableRow *row);

/* Returns the SQL of a statement that names columns, palloc'd. */
extern char *row_statement(const RowTable *table, const char *statement);

/*
 * Each sets one column.  A text, uuid, interval or jsonb that is NULL and a
 * time that is 0 set it to null.  Texts and arrays are copied into the current
 * memory context; a uuid, interval or jsonb is not copied, and has to live as
 * long as the row is used.
 */
extern void row_set_bool(TableRow *row, int anum, bool value);
extern void row_set_char(TableRow *row, int anum, char value);
extern void row_set_int16(TableRow *row, int anum, int16 value);
extern void row_set_int32(TableRow *row, int anum, int32 value);
extern void row_set_int64(TableRow *row, int anum, int64 value);
extern void row_set_float8(TableRow *row, int anum, float8 value);
extern void row_set_oid(TableRow *row, int anum, Oid value); /* or a regclass */
extern void row_set_text(TableRow *row, int anum, const char *value);
extern void row_set_time(TableRow *row, int anum, TimestampTz value);
extern void row_set_interval(TableRow *row, int anum, const Interval *value);
extern void row_set_usec(TableRow *row, int anum, int64 usec); /* an interval */
extern void row_set_uuid(TableRow *row, int anum, const pg_uuid_t *value);
extern void row_set_jsonb(TableRow *row, int anum, const Jsonb *value);
extern void row_set_int64s(TableRow *row, int anum, const int64 *values,
						   int count);
extern void row_set_attnums(TableRow *row, int anum, const AttrNumber *values,
							int count);
extern void row_set_texts(TableRow *row, int anum, char **values, int count);

/*
 * Each returns the value of one column, palloc'd in the current memory context
 * if it is a pointer.  A null is NULL, 0 or false; row_usec returns if_null
 * for it, and an array that is null has no elements.
 */
extern bool		   row_is_null(const TableRow *row, int anum);
extern bool		   row_bool(const TableRow *row, int anum);
extern char		   row_char(const TableRow *row, int anum);
extern int16	   row_int16(const TableRow *row, int anum);
extern int32	   row_int32(const TableRow *row, int anum);
extern int64	   row_int64(const TableRow *row, int anum);
extern Oid		   row_oid(const TableRow *row, int anum); /* or a regclass */
extern char		  *row_text(const TableRow *row, int anum);
extern TimestampTz row_time(const TableRow *row, int anum);
extern Interval	  *row_interval(const TableRow *row, int anum);
extern int64	   row_usec(const TableRow *row, int anum, int64 if_null);
extern pg_uuid_t  *row_uuid(const TableRow *row, int anum);
extern Jsonb	  *row_jsonb(const TableRow *row, int anum);
extern int64	  *row_int64s(const TableRow *row, int anum, int *count);
extern AttrNumber *row_attnums(const TableRow *row, int anum, int *count);
extern char		 **row_texts(const TableRow *row, int anum, int *count);

#endif /* DDBSTREAMS_ROW_H */
