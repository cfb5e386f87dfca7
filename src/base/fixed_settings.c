/*
 * fixed_settings.c
 *	  Settings under which values are turned into text.
 *
 * A value has to be written in the same way in every session.  So output
 * functions run with ISO dates, time zone UTC, ISO 8601 intervals, hex bytea,
 * the shortest exact floats, search_path pg_catalog and lc_monetary C.  Input
 * functions, which changes() calls, need fixed array_nulls and xmloption too.
 *
 * There are two ways to set these:
 *
 * - The fast way saves six C variables, sets them, and puts them back.  It is
 *   for built-in types, except money and the reg* types.  It costs next to
 *   nothing, which matters because writers wait for it.
 *
 * - The slow way changes the settings themselves, in a GUC nest level.  It is
 *   for all other types, above all those of other extensions.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"

#include "base/fixed_settings.h"

void
fixed_settings_set_formats(FixedSettings *saved)
{
	static pg_tz *utc = NULL;

	if (utc == NULL)
		utc = pg_tzset("UTC");
	if (utc == NULL)
		utc = pg_tzset("GMT"); /* which needs no time zone file */

	saved->date_style = DateStyle;
	saved->date_order = DateOrder;
	saved->interval_style = IntervalStyle;
	saved->float_digits = extra_float_digits;
	saved->bytea_output = bytea_output;
	saved->timezone = session_timezone;

	DateStyle = USE_ISO_DATES;
	DateOrder = DATEORDER_YMD;
	IntervalStyle = INTSTYLE_ISO_8601;
	extra_float_digits = 1;
	bytea_output = BYTEA_OUTPUT_HEX;
	session_timezone = utc;
}

void
fixed_settings_restore_formats(const FixedSettings *saved)
{
	DateStyle = saved->date_style;
	DateOrder = saved->date_order;
	IntervalStyle = saved->interval_style;
	extra_float_digits = saved->float_digits;
	bytea_output = saved->bytea_output;
	session_timezone = saved->timezone;
}

int
fixed_settings_begin(void)
{
	static const char *const settings[][2] = {
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "iso_8601"},
		{"TimeZone", "UTC"},
		{"extra_float_digits", "1"},
		{"bytea_output", "hex"},
		{"lc_monetary", "C"},
		{"quote_all_identifiers", "off"},
		{"array_nulls", "on"},
		{"xmloption", "content"},
		{"search_path", "pg_catalog"},
	};
	int nest_level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1],
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	return nest_level;
}

void
fixed_settings_end(int nest_level)
{
	AtEOXact_GUC(false, nest_level);
}
