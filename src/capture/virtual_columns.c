/*
 * virtual_columns.c
 *	  The values that virtual generated columns have when a row is captured.
 *
 * A virtual column (PostgreSQL 18) is computed when it is read, from the other
 * columns of its row.  An image has the value that the column had at capture:
 * later its expression may be changed, or the column dropped.
 *
 * The expression of a partition may differ from that of its root, and a query
 * uses the expression of the table that it names.  A stream is on the root, so
 * the expression of the root is used here.
 *
 * PostgreSQL lets a row be written whose virtual column cannot be computed,
 * such as 1 / 0, and raises the error when the column is read.  Capture must
 * not prevent the row from being written: the image has a marker then.  For
 * this reason values are stored rendered, whatever their type.  Only built-in,
 * immutable functions occur in these expressions, so it does not matter which
 * role runs them.
 */
#include "postgres.h"

#include "access/attmap.h"
#include "access/relation.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "base/fixed_settings.h"
#include "base/guarded_call.h"
#include "capture/virtual_columns.h"
#include "typed_json/rendered_value.h"

typedef struct VirtualColumn
{
	Oid			  type;
	Node		 *expression;
	MemoryContext context; /* of state, or NULL */
	ExprState	 *state;   /* made for the first row */
} VirtualColumn;

struct VirtualColumns
{
	MemoryContext context;
	ExprContext	 *econtext;
	int			  count;
	VirtualColumn columns[FLEXIBLE_ARRAY_MEMBER];
};

/*
 * The columns of a row that are to be computed: count of them, from first on
 */
typedef struct VirtualComputation
{
	VirtualColumns *virtuals;
	TupleTableSlot *slot;
	int				first;
	int				count;
	VirtualValues  *result;
} VirtualComputation;

/* Returns the root's expression for a column, over a partition's columns. */
static Node *
root_expression(Relation root, const RowDescriptor *descriptor, int column)
{
	AttrMap *map = make_attrmap(RelationGetDescr(root)->natts);
	Node	*expression;
	bool	 has_whole_row;

	for (int i = 0; i < descriptor->natts; i++)
	{
		AttrNumber attnum = descriptor->columns[i].root_attnum;

		if (attnum != InvalidAttrNumber)
			map->attnums[attnum - 1] = i + 1;
	}
	expression =
		compat_generation_expression(root,
									 descriptor->columns[column].root_attnum);
	return map_variable_attnos(expression, 1, 0, map, InvalidOid, &has_whole_row);
}

VirtualColumns *
virtual_columns_build(Relation rel, Oid root, const RowDescriptor *descriptor)
{
	VirtualColumns *virtuals;
	Relation		root_rel = rel;

	if (!descriptor->has_virtual)
		return NULL;
	if (root != RelationGetRelid(rel))
		root_rel = relation_open(root, AccessShareLock);

	virtuals = palloc0(offsetof(VirtualColumns, columns) +
					   descriptor->natts * sizeof(VirtualColumn));
	virtuals->context = CurrentMemoryContext;
	virtuals->econtext = CreateStandaloneExprContext();
	for (int i = 0; i < descriptor->natts; i++)
	{
		VirtualColumn *column = &virtuals->columns[virtuals->count];

		if (!descriptor->columns[i].is_virtual)
			continue;
		virtuals->count++;
		column->type = TupleDescAttr(RelationGetDescr(rel), i)->atttypid;
		column->expression = root_rel == rel ?
								 compat_generation_expression(rel, i + 1) :
								 root_expression(root_rel, descriptor, i);
	}

	if (root_rel != rel)
		relation_close(root_rel, AccessShareLock);
	return virtuals;
}

/*
 * Makes a column ready for evaluation.  Planning folds constants, so it may
 * fail as the evaluation may.
 */
static void
prepare_column(VirtualColumns *virtuals, VirtualColumn *column)
{
	MemoryContext oldcontext;

	if (column->context != NULL)
		MemoryContextDelete(column->context);
	column->context = AllocSetContextCreate(virtuals->context,
											"ddbstreams virtual column",
											ALLOCSET_SMALL_SIZES);
	oldcontext = MemoryContextSwitchTo(column->context);
	column->state = ExecInitExpr(expression_planner((Expr *) column->expression),
								 NULL);
	MemoryContextSwitchTo(oldcontext);
}

/*
 * Evaluates an expression under fixed settings: some functions that are marked
 * immutable do depend on settings, such as float8out.
 */
static Datum
evaluate(ExprState *state, ExprContext *econtext, bool *isnull)
{
	FixedSettings saved;
	Datum volatile value = (Datum) 0;

	fixed_settings_set_formats(&saved);
	PG_TRY();
	{
		value = ExecEvalExprSwitchContext(state, econtext, isnull);
	}
	PG_FINALLY();
	{
		fixed_settings_restore_formats(&saved);
	}
	PG_END_TRY();
	return value;
}

static void
compute_columns(void *argument)
{
	VirtualComputation *computation = argument;
	ExprContext		   *econtext = computation->virtuals->econtext;

	for (int i = computation->first;
		 i < computation->first + computation->count; i++)
	{
		VirtualColumn *column = &computation->virtuals->columns[i];
		ExprState	  *state;
		Datum		   value;

		ResetExprContext(econtext);
		if (column->state == NULL)
			prepare_column(computation->virtuals, column);
		/* A state that an error has interrupted must not be used again. */
		state = column->state;
		column->state = NULL;
		econtext->ecxt_scantuple = computation->slot;
		value = evaluate(state, econtext, &computation->result->nulls[i]);
		column->state = state;
		if (!computation->result->nulls[i])
			computation->result->values[i] =
				PointerGetDatum(rendered_value_make(column->type, value));
	}
	ResetExprContext(econtext);
}

void
virtual_columns_compute(VirtualColumns *virtuals, TupleTableSlot *slot,
						VirtualValues *result)
{
	VirtualComputation computation = {virtuals, slot, 0, virtuals->count, result};

	result->values = palloc0(virtuals->count * sizeof(Datum));
	result->nulls = palloc0(virtuals->count * sizeof(bool));
	slot_getallattrs(slot);
	if (guarded_call(compute_columns, &computation, NULL))
		return;

	computation.count = 1;
	for (int i = 0; i < virtuals->count; i++)
	{
		int	  sqlstate;
		char *reason;

		computation.first = i;
		if (guarded_call(compute_columns, &computation, &sqlstate))
			continue;
		reason = psprintf("the virtual column could not be computed, SQLSTATE %s",
						  unpack_sql_state(sqlstate));
		result->nulls[i] = false;
		result->values[i] = PointerGetDatum(rendered_value_make_marker(reason));
	}
}

bool
virtual_columns_equal(const VirtualValues *a, const VirtualValues *b, int n)
{
	if (a->nulls[n] || b->nulls[n])
		return a->nulls[n] && b->nulls[n];
	return datumIsEqual(a->values[n], b->values[n], false, -1);
}
