/*
 * guarded_call.c
 *	  Calls that may fail without failing the statement.
 *
 * They are for what depends on a value or on a user's definition, and must not
 * make a whole page unreadable or a row unwritable.  The call is made in a
 * subtransaction: nothing else undoes an error safely.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/guarded_call.h"

ErrorData *
guarded_call_error(GuardedFunction function, void *argument)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcontext);
	PG_TRY();
	{
		function(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcontext);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
	return error;
}

bool
guarded_call(GuardedFunction function, void *argument, int *sqlstate)
{
	ErrorData *error = guarded_call_error(function, argument);
	int		   category;

	if (error == NULL)
		return true;
	category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
	if (category == ERRCODE_OPERATOR_INTERVENTION ||
		category == ERRCODE_INSUFFICIENT_RESOURCES)
		ReThrowError(error);
	if (sqlstate != NULL)
		*sqlstate = error->sqlerrcode;
	FreeErrorData(error);
	return false;
}
