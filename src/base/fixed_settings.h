/*
 * fixed_settings.h
 *	  Settings under which values are turned into text.
 */
#ifndef DDBSTREAMS_FIXED_SETTINGS_H
#define DDBSTREAMS_FIXED_SETTINGS_H

#include "base/ddbstreams.h"

#include "pgtime.h"

/* The session's values, to be restored */
typedef struct FixedSettings
{
	int	   date_style;
	int	   date_order;
	int	   interval_style;
	int	   float_digits;
	int	   bytea_output;
	pg_tz *timezone;
} FixedSettings;

/*
 * Sets the variables that the output functions of built-in types depend on,
 * and saves what they were.  The caller restores them in PG_FINALLY, and runs
 * nothing in between that may change settings.
 */
extern void fixed_settings_set_formats(FixedSettings *saved);
extern void fixed_settings_restore_formats(const FixedSettings *saved);

/*
 * Makes all fixed settings effective, and returns what fixed_settings_end
 * wants to be told.  That takes them back, and with them all that code which
 * ran in between has set: it may be another role's, and what it leaves in the
 * search_path of a superuser's session would be believed.  After an error the
 * end of the transaction or subtransaction takes them back.
 */
extern int	fixed_settings_begin(void);
extern void fixed_settings_end(int nest_level);

#endif /* DDBSTREAMS_FIXED_SETTINGS_H */
