/*
 * row.c
 *	  One row of a table, with nulls: from a tuple, to a statement, to a view.
 *
 * row.h tells how it is used.  A column's number in its list is its position
 * among the values and its number as a parameter of statements: every
 * statement of a table is prepared with all columns of the list as parameters,
 * used or not, and so no parameter is counted by hand.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "registry/row.h"

/* Makes a row of nulls. */
void
row_init(TableRow *row, const RowTable *table)
{
	row->table = table;
	memset(row->values, 0, table->count * sizeof(Datum));
	memset(row->nulls, true, table->count * sizeof(bool));
	ItemPointerSetInvalid(&row->tid);
}

/* Returns the number of columns in a list, which precede its parameters. */
static int
count_columns(const RowTable *table)
{
	int count = table->count;

	while (count > 0 && table->columns[count - 1].kind == ROW_PARAMETER)
		count--;
	return count;
}

/* Are the first columns what the list says? */
static bool
begins_alike(const RowTable *table, TupleDesc desc)
{
	int count = Min(desc->natts, count_columns(table));

	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->atttypid != table->columns[i].type ||
			strcmp(NameStr(attribute->attname), table->columns[i].name) != 0)
			return false;
	}
	return true;
}

static void
raise_unknown_columns(const RowTable *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" of extension \"%s\" has other columns than this version of its library knows",
					table->name, DDBSTREAMS_EXTENSION),
			 errhint("Run ALTER EXTENSION %s UPDATE.", DDBSTREAMS_EXTENSION)));
}

void
row_check_columns(const RowTable *table, TupleDesc desc)
{
	if (desc->natts != count_columns(table) || !begins_alike(table, desc))
		raise_unknown_columns(table);
}

void
row_check_readable(const RowTable *table, TupleDesc desc)
{
	if (desc->natts > ROW_MAX_COLUMNS || !begins_alike(table, desc))
		raise_unknown_columns(table);
}

void
row_read(TableRow *row, const RowTable *table, HeapTuple tuple, TupleDesc desc)
{
	Assert(desc->natts <= ROW_MAX_COLUMNS);
	row_init(row, table);
	heap_deform_tuple(tuple, desc, row->values, row->nulls);
}

void
row_put(ReturnSetInfo *rsinfo, TableRow *row)
{
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
}

/* --- statements -------------------------------------------------------- */

/* Reads a name at *text and moves *text behind it; returns its length. */
static int
take_name(const char **text)
{
	const char *begin = *text;

	while ((**text >= 'a' && **text <= 'z') || (**text >= '0' && **text <= '9') ||
		   **text == '_')
		(*text)++;
	return *text - begin;
}

/* Are the first characters of text, so many, this name? */
static bool
is_name(const char *text, int length, const char *name)
{
	return strncmp(text, name, length) == 0 && name[length] == '\0';
}

/* Returns the number of the column that has this name. */
static int
find_column(const RowTable *table, const char *name, int length)
{
	for (int i = 0; i < table->count; i++)
	{
		if (is_name(name, length, table->columns[i].name))
			return i + 1;
	}
	elog(ERROR, "\"%s\" has no column \"%.*s\"", table->name, length, name);
	return 0;
}

/*
 * Reads the columns that are left out, as in " but a, b", at *text and moves
 * *text behind them; fills is_in, which says for each column if it stays.
 */
static void
take_exceptions(const RowTable *table, const char **text, bool *is_in)
{
	memset(is_in, true, table->count);
	if (strncmp(*text, " but ", strlen(" but ")) != 0)
		return;
	*text += strlen(" but ");
	for (;;)
	{
		const char *name = *text;
		int			length = take_name(text);

		is_in[find_column(table, name, length) - 1] = false;
		if (strncmp(*text, ", ", strlen(", ")) != 0)
			return;
		*text += strlen(", ");
	}
}

/* Writes what the "$(…)" that begins at *text stands for, and skips it. */
static void
append_column_list(StringInfo sql, const RowTable *table, const char **text)
{
	const char *list = *text + strlen("$(");
	int			length;
	int			count = count_columns(table);
	bool		is_in[ROW_MAX_COLUMNS];
	bool		is_columns;
	bool		is_values;
	bool		is_set;
	const char *separator = "";

	*text = list;
	length = take_name(text);
	is_columns = is_name(list, length, "columns");
	is_values = is_name(list, length, "values");
	is_set = is_name(list, length, "set");
	take_exceptions(table, text, is_in);
	if (**text != ')' || !(is_columns || is_values || is_set))
		elog(ERROR, "\"%s\" cannot be understood in a statement", list);
	(*text)++;
	for (int i = 0; i < count; i++)
	{
		const TableColumn *column = &table->columns[i];

		if (!is_in[i] || (is_set && column->kind != ROW_SET))
			continue;
		appendStringInfoString(sql, separator);
		separator = ", ";
		if (!is_values)
			appendStringInfoString(sql, column->name);
		if (is_set)
			appendStringInfoString(sql, " = ");
		if (!is_columns)
			appendStringInfo(sql, "$%d", i + 1);
	}
}

char *
row_statement(const RowTable *table, const char *statement)
{
	StringInfoData sql;

	initStringInfo(&sql);
	while (*statement != '\0')
	{
		if (statement[0] == '$' && statement[1] == '(')
			append_column_list(&sql, table, &statement);
		else if (statement[0] == '$')
		{
			const char *name = ++statement;
			int			length = take_name(&statement);

			appendStringInfo(&sql, "$%d", find_column(table, name, length));
		}
		else
			appendStringInfoChar(&sql, *statement++);
	}
	return sql.data;
}

/* --- writing ----------------------------------------------------------- */

static void
set_value(TableRow *row, int anum, Oid type, Datum value)
{
	Assert(anum >= 1 && anum <= row->table->count);
	Assert(row->table->columns[anum - 1].type == type);
	row->values[anum - 1] = value;
	row->nulls[anum - 1] = false;
}

static void
set_null(TableRow *row, int anum)
{
	Assert(anum >= 1 && anum <= row->table->count);
	row->values[anum - 1] = (Datum) 0;
	row->nulls[anum - 1] = true;
}

/* Sets a column to a value that is passed by reference, or to null. */
static void
set_pointer(TableRow *row, int anum, Oid type, const void *value)
{
	if (value == NULL)
		set_null(row, anum);
	else
		set_value(row, anum, type, PointerGetDatum(value));
}

void
row_set_bool(TableRow *row, int anum, bool value)
{
	set_value(row, anum, BOOLOID, BoolGetDatum(value));
}

void
row_set_char(TableRow *row, int anum, char value)
{
	set_value(row, anum, CHAROID, CharGetDatum(value));
}

void
row_set_int16(TableRow *row, int anum, int16 value)
{
	set_value(row, anum, INT2OID, Int16GetDatum(value));
}

void
row_set_int32(TableRow *row, int anum, int32 value)
{
	set_value(row, anum, INT4OID, Int32GetDatum(value));
}

void
row_set_int64(TableRow *row, int anum, int64 value)
{
	set_value(row, anum, INT8OID, Int64GetDatum(value));
}

void
row_set_float8(TableRow *row, int anum, float8 value)
{
	set_value(row, anum, FLOAT8OID, Float8GetDatum(value));
}

void
row_set_oid(TableRow *row, int anum, Oid value)
{
	Oid type = row->table->columns[anum - 1].type;

	Assert(type == OIDOID || type == REGCLASSOID);
	set_value(row, anum, type, ObjectIdGetDatum(value));
}

void
row_set_text(TableRow *row, int anum, const char *value)
{
	set_pointer(row, anum, TEXTOID, value ? cstring_to_text(value) : NULL);
}

void
row_set_time(TableRow *row, int anum, TimestampTz value)
{
	if (value == 0)
		set_null(row, anum);
	else
		set_value(row, anum, TIMESTAMPTZOID, TimestampTzGetDatum(value));
}

void
row_set_interval(TableRow *row, int anum, const Interval *value)
{
	set_pointer(row, anum, INTERVALOID, value);
}

void
row_set_usec(TableRow *row, int anum, int64 usec)
{
	row_set_interval(row, anum, clock_usec_interval(usec));
}

void
row_set_uuid(TableRow *row, int anum, const pg_uuid_t *value)
{
	set_pointer(row, anum, UUIDOID, value);
}

void
row_set_jsonb(TableRow *row, int anum, const Jsonb *value)
{
	set_pointer(row, anum, JSONBOID, value);
}

void
row_set_int64s(TableRow *row, int anum, const int64 *values, int count)
{
	Datum *elems = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elems[i] = Int64GetDatum(values[i]);
	set_pointer(row, anum, INT8ARRAYOID,
				construct_array(elems, count, INT8OID, sizeof(int64),
								FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

void
row_set_attnums(TableRow *row, int anum, const AttrNumber *values, int count)
{
	Datum *elems = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elems[i] = Int16GetDatum(values[i]);
	set_pointer(row, anum, INT2ARRAYOID,
				construct_array(elems, count, INT2OID, sizeof(int16), true,
								TYPALIGN_SHORT));
}

void
row_set_texts(TableRow *row, int anum, char **values, int count)
{
	Datum *elems = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elems[i] = CStringGetTextDatum(values[i]);
	set_pointer(row, anum, TEXTARRAYOID,
				construct_array(elems, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* --- reading ----------------------------------------------------------- */

bool
row_is_null(const TableRow *row, int anum)
{
	Assert(anum >= 1 && anum <= row->table->count);
	return row->nulls[anum - 1];
}

/* Returns a value, which is 0 if it is null. */
static Datum
get_value(const TableRow *row, int anum, Oid type)
{
	Assert(row->table->columns[anum - 1].type == type);
	return row_is_null(row, anum) ? (Datum) 0 : row->values[anum - 1];
}

bool
row_bool(const TableRow *row, int anum)
{
	return DatumGetBool(get_value(row, anum, BOOLOID));
}

char
row_char(const TableRow *row, int anum)
{
	return DatumGetChar(get_value(row, anum, CHAROID));
}

int16
row_int16(const TableRow *row, int anum)
{
	return DatumGetInt16(get_value(row, anum, INT2OID));
}

int32
row_int32(const TableRow *row, int anum)
{
	return DatumGetInt32(get_value(row, anum, INT4OID));
}

int64
row_int64(const TableRow *row, int anum)
{
	Datum value = get_value(row, anum, INT8OID);

	return row_is_null(row, anum) ? 0 : DatumGetInt64(value);
}

Oid
row_oid(const TableRow *row, int anum)
{
	Oid type = row->table->columns[anum - 1].type;

	Assert(type == OIDOID || type == REGCLASSOID);
	return DatumGetObjectId(get_value(row, anum, type));
}

char *
row_text(const TableRow *row, int anum)
{
	Datum value = get_value(row, anum, TEXTOID);

	return row_is_null(row, anum) ? NULL : TextDatumGetCString(value);
}

TimestampTz
row_time(const TableRow *row, int anum)
{
	Datum value = get_value(row, anum, TIMESTAMPTZOID);

	return row_is_null(row, anum) ? 0 : DatumGetTimestampTz(value);
}

Interval *
row_interval(const TableRow *row, int anum)
{
	Datum	  value = get_value(row, anum, INTERVALOID);
	Interval *interval;

	if (row_is_null(row, anum))
		return NULL;
	interval = palloc(sizeof(Interval));
	*interval = *DatumGetIntervalP(value);
	return interval;
}

int64
row_usec(const TableRow *row, int anum, int64 if_null)
{
	Datum value = get_value(row, anum, INTERVALOID);

	if (row_is_null(row, anum))
		return if_null;
	return clock_interval_usec(DatumGetIntervalP(value));
}

pg_uuid_t *
row_uuid(const TableRow *row, int anum)
{
	Datum	   value = get_value(row, anum, UUIDOID);
	pg_uuid_t *uuid;

	if (row_is_null(row, anum))
		return NULL;
	uuid = palloc(sizeof(pg_uuid_t));
	*uuid = *DatumGetUUIDP(value);
	return uuid;
}

Jsonb *
row_jsonb(const TableRow *row, int anum)
{
	Datum value = get_value(row, anum, JSONBOID);

	return row_is_null(row, anum) ? NULL : DatumGetJsonbPCopy(value);
}

/* Returns the elements of an array, which are of fixed types. */
static Datum *
get_elements(const TableRow *row, int anum, Oid type, Oid element_type,
			 int *count)
{
	Datum  value = get_value(row, anum, type);
	Datum *elems;

	*count = 0;
	if (row_is_null(row, anum))
		return NULL;
	if (element_type == INT8OID)
		deconstruct_array(DatumGetArrayTypeP(value), INT8OID, sizeof(int64),
						  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elems, NULL, count);
	else if (element_type == INT2OID)
		deconstruct_array(DatumGetArrayTypeP(value), INT2OID, sizeof(int16),
						  true, TYPALIGN_SHORT, &elems, NULL, count);
	else
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
						  TYPALIGN_INT, &elems, NULL, count);
	return elems;
}

int64 *
row_int64s(const TableRow *row, int anum, int *count)
{
	Datum *elems = get_elements(row, anum, INT8ARRAYOID, INT8OID, count);
	int64 *values = palloc(Max(*count, 1) * sizeof(int64));

	for (int i = 0; i < *count; i++)
		values[i] = DatumGetInt64(elems[i]);
	return values;
}

AttrNumber *
row_attnums(const TableRow *row, int anum, int *count)
{
	Datum	   *elems = get_elements(row, anum, INT2ARRAYOID, INT2OID, count);
	AttrNumber *values = palloc(Max(*count, 1) * sizeof(AttrNumber));

	for (int i = 0; i < *count; i++)
		values[i] = DatumGetInt16(elems[i]);
	return values;
}

char **
row_texts(const TableRow *row, int anum, int *count)
{
	Datum *elems = get_elements(row, anum, TEXTARRAYOID, TEXTOID, count);
	char **values = palloc(Max(*count, 1) * sizeof(char *));

	for (int i = 0; i < *count; i++)
		values[i] = TextDatumGetCString(elems[i]);
	return values;
}
