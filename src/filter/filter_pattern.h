/*
 * filter_pattern.h
 *	  The compiled form of a filter pattern.
 *
 * pattern		a list of alternatives; it matches if one of them does
 * alternative	fields that must all hold: one choice for every "$or"
 * field		a path, its steps joined by dots, and tests of the value there
 * test			one condition; a value has to pass one test of its field
 *
 * Patterns are those of event-ruler, the library behind EventBridge.  As
 * there, names are joined by dots in patterns and records alike: {"a.b":…} and
 * {"a":{"b":…}} are the same path.
 */
#ifndef DDBSTREAMS_FILTER_PATTERN_H
#define DDBSTREAMS_FILTER_PATTERN_H

#include "base/ddbstreams.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

typedef enum FilterTestKind
{
	FILTER_TEST_EXISTS,
	FILTER_TEST_NULL,
	FILTER_TEST_BOOL,
	FILTER_TEST_NUMBER, /* equal in value; its text has no trailing zeros */
	FILTER_TEST_STRING,
	FILTER_TEST_PREFIX,
	FILTER_TEST_SUFFIX,
	FILTER_TEST_FOLDED, /* equal but for case */
	FILTER_TEST_FOLDED_PREFIX,
	FILTER_TEST_FOLDED_SUFFIX,
	FILTER_TEST_WILDCARD,
	FILTER_TEST_NUMERIC,
	FILTER_TEST_CIDR,
	FILTER_TEST_ANYTHING_BUT
} FilterTestKind;

typedef struct FilterText
{
	const char *data;
	int			length;
} FilterText;

/* A character of a pattern that ignores case, and what else it matches */
typedef struct FilterCharacter
{
	pg_wchar self;
	pg_wchar lower;
	pg_wchar upper;
} FilterCharacter;

typedef struct FilterTest
{
	FilterTestKind kind;
	union
	{
		bool	   boolean;
		FilterText text; /* of NUMBER, STRING, PREFIX, SUFFIX */
		struct
		{
			int				 count;
			FilterCharacter *characters;
		} folded;
		struct
		{
			int			count; /* at least one text between asterisks */
			FilterText *parts;
		} wildcard;
		struct
		{
			double low;
			double high;
			bool   low_open;
			bool   high_open;
		} numeric;
		struct
		{
			int			  family;
			int			  bits;
			unsigned char address[16];
		} cidr;
		struct
		{
			int				   count;
			struct FilterTest *tests;
		} anything_but;
	} u;
} FilterTest;

typedef struct FilterField
{
	FilterText	path;
	bool		may_be_absent; /* {"exists": false} */
	int			test_count;
	FilterTest *tests;
} FilterField;

typedef struct FilterAlternative
{
	int			  count;
	int			  allocated; /* while it is built */
	FilterField **fields;	 /* sorted by path: compare_fields */
} FilterAlternative;

typedef struct FilterPattern
{
	int				   count;
	FilterAlternative *alternatives;
} FilterPattern;

/* A part of a record that is known before the rest is built */
typedef struct FilterKnownPart
{
	const char		 *path;
	const JsonbValue *value;
} FilterKnownPart;

#endif /* DDBSTREAMS_FILTER_PATTERN_H */
