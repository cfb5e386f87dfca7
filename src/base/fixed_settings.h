/*
 * fixed_settings.h
 *		Settings under which values are turned into text.
 */
#ifndef DDBSTREAMS_FIXED_SETTINGS_H
#define DDBSTREAMS_FIXED_SETTINGS_H

#include "postgres.h"

#include "pgtime.h"

/* What fixed_settings_set_formats found. */
typedef struct FixedSettings
{
	int	   date_style;
	int	   date_order;
	int	   interval_style;
	int	   float_digits;
	int	   bytea_output;
	pg_tz *timezone;
} FixedSettings;

extern void fixed_settings_set_formats(FixedSettings *saved);
extern void fixed_settings_restore_formats(const FixedSettings *saved);
extern int	fixed_settings_begin(void);
extern void fixed_settings_end(int nest_level);

#endif /* DDBSTREAMS_FIXED_SETTINGS_H */
