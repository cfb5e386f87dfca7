/*
 * shard_graph.c
 *	  Drawing a stream's lineage: shard_tree() and shard_graph().
 *
 * shard_tree() draws it in lines of text, shard_graph() in the dot language of
 * Graphviz.  A lineage may have thousands of shards, one below the other.  So
 * the tree is walked along its pointers, without recursion.  In text an only
 * child is not indented; the children of a split are, but a range of hashes
 * can be halved 64 times at most.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/statement_snapshot.h"
#include "lineage/shard_stats.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/shard_family.h"
#include "registry/stream_catalog.h"

PG_FUNCTION_INFO_V1(ddbstreams_shard_tree);
PG_FUNCTION_INFO_V1(ddbstreams_shard_graph);

/* The signs that stand before a shard of shard_tree() */
typedef struct TreeBranches
{
	const char *rolled_over; /* an only child */
	const char *split;		 /* the first child of a split */
	const char *last_split;	 /* the last child of a split */
	const char *passing;	 /* a descendant of the first child of a split */
} TreeBranches;

static const TreeBranches utf8_branches = {"↓ ", "├─ ", "└─ ", "│  "};
static const TreeBranches ascii_branches = {"v ", "|- ", "`- ", "|  "};

/*
 * The signs of Unicode, if both the database and the client have them: a query
 * must not fail for want of an arrow.
 */
static const TreeBranches *
branches_for_client(void)
{
	int client = pg_get_client_encoding();

	return GetDatabaseEncoding() == PG_UTF8 &&
				   (client == PG_UTF8 || client == PG_SQL_ASCII) ?
			   &utf8_branches :
			   &ascii_branches;
}

static StreamInfo *
stream_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		error_null_argument("streamArn");
	return stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								statement_snapshot());
}

/* Appends a hash as a share of all hashes. */
static void
append_share(StringInfo out, double hash)
{
	appendStringInfo(out, "%.6g %%", hash / ldexp(1, 64) * 100);
}

static void
append_range(StringInfo out, const ShardInfo *shard)
{
	appendStringInfoChar(out, '[');
	append_share(out, (double) shard->hash_first);
	appendStringInfoString(out, ", ");
	append_share(out, (double) shard->hash_last + 1);
	appendStringInfoChar(out, ')');
}

static void
append_age(StringInfo out, const ShardInfo *shard)
{
	int64 seconds = Max(clock_now() - shard->created_at, 0) / USECS_PER_SEC;

	if (seconds < SECS_PER_MINUTE)
		appendStringInfo(out, "%d s", (int) seconds);
	else if (seconds < SECS_PER_HOUR)
		appendStringInfo(out, "%d min", (int) (seconds / SECS_PER_MINUTE));
	else if (seconds < SECS_PER_DAY)
		appendStringInfo(out, "%d h %d min", (int) (seconds / SECS_PER_HOUR),
						 (int) (seconds % SECS_PER_HOUR / SECS_PER_MINUTE));
	else
		appendStringInfo(out, "%d d %d h", (int) (seconds / SECS_PER_DAY),
						 (int) (seconds % SECS_PER_DAY / SECS_PER_HOUR));
}

static void
append_facts(StringInfo out, const StreamInfo *stream, const ShardInfo *shard)
{
	ShardStats stats;

	appendStringInfoString(out, ShardIsOpen(shard) ? "open, " : "closed, ");
	if (shard_stats_get(stream, shard, statement_snapshot(), &stats))
		appendStringInfo(out, "%s" INT64_FORMAT " record%s, ",
						 stats.is_estimate ? "about " : "", stats.records,
						 stats.records == 1 ? "" : "s");
	append_age(out, shard);
	appendStringInfoString(out, " old");
}

static void
put_line(ReturnSetInfo *rsinfo, StringInfo line)
{
	Datum value = PointerGetDatum(cstring_to_text_with_len(line->data, line->len));
	bool  isnull = false;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	pfree(DatumGetPointer(value));
}

static bool
is_only_child(const ShardNode *node)
{
	return node->parent != NULL && node->parent->first_child == node->parent->last_child;
}

static void
put_shard_line(ReturnSetInfo *rsinfo, const StreamInfo *stream, const ShardNode *node,
			   const TreeBranches *branches, StringInfo prefix)
{
	StringInfoData line;

	initStringInfo(&line);
	appendBinaryStringInfo(&line, prefix->data, prefix->len);
	if (is_only_child(node))
		appendStringInfoString(&line, branches->rolled_over);
	else if (node->parent != NULL)
		appendStringInfoString(&line, node->next_sibling ? branches->split : branches->last_split);
	appendStringInfo(&line, "%s  ", node->shard->shard_id);
	append_range(&line, node->shard);
	appendStringInfoString(&line, "  ");
	append_facts(&line, stream, node->shard);
	if (node->parent == NULL && node->shard->parent_shard_id != NULL)
		appendStringInfoString(&line, ", parent expired");
	put_line(rsinfo, &line);
	pfree(line.data);
}

/*
 * shard_tree(stream_arn text) returns setof text
 */
Datum
ddbstreams_shard_tree(PG_FUNCTION_ARGS)
{
	ReturnSetInfo	   *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StreamInfo		   *stream = stream_argument(fcinfo);
	const TreeBranches *branches = branches_for_client();
	ShardFamily		   *family;
	ShardNode		   *node;
	int				   *prefix_length; /* of each node's own line */
	StringInfoData		prefix;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	family = shard_family(shard_catalog_list(stream->stream_id, statement_snapshot()));
	prefix_length = palloc0(Max(family->count, 1) * sizeof(int));
	initStringInfo(&prefix);

	node = family->first_root;
	while (node != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		prefix_length[node - family->nodes] = prefix.len;
		put_shard_line(rsinfo, stream, node, branches, &prefix);
		if (node->first_child != NULL)
		{
			if (node->parent != NULL && !is_only_child(node))
				appendStringInfoString(&prefix, node->next_sibling ? branches->passing : "   ");
			node = node->first_child;
			continue;
		}
		while (node != NULL && node->next_sibling == NULL)
			node = node->parent;
		if (node != NULL)
		{
			prefix.len = prefix_length[node - family->nodes];
			node = node->next_sibling;
		}
	}
	return (Datum) 0;
}

/* Writes a text within double quotes of the dot language. */
static void
append_quoted(StringInfo out, const char *text)
{
	for (; *text; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, (unsigned char) *text < ' ' ? ' ' : *text);
	}
}

static void
append_node(StringInfo out, const StreamInfo *stream, const ShardInfo *shard)
{
	appendStringInfo(out, "\t\"%s\" [label=\"%s\\n", shard->shard_id, shard->shard_id);
	append_range(out, shard);
	appendStringInfoString(out, "\\n");
	append_facts(out, stream, shard);
	appendStringInfo(out, "\"%s];\n",
					 ShardIsOpen(shard) ? ", fillcolor=\"#c8e6c9\", penwidth=2" : "");
}

/*
 * Appends a parent that has expired, unless the last one was the same:
 * children of one parent nearly always follow each other.  A node that is
 * written twice does no harm.
 */
static void
append_expired_parent(StringInfo out, const ShardNode *node, const char *previous)
{
	const char *parent_id = node->shard->parent_shard_id;

	if (previous == NULL || strcmp(parent_id, previous) != 0)
		appendStringInfo(out, "\t\"%s\" [label=\"%s\\nexpired\", style=\"rounded,dashed\"];\n",
						 parent_id, parent_id);
}

/*
 * shard_graph(stream_arn text) returns text
 */
Datum
ddbstreams_shard_graph(PG_FUNCTION_ARGS)
{
	StreamInfo	  *stream = stream_argument(fcinfo);
	ShardFamily	  *family;
	const char	  *previous = NULL;
	StringInfoData out;

	family = shard_family(shard_catalog_list(stream->stream_id, statement_snapshot()));
	initStringInfo(&out);
	appendStringInfoString(&out, "digraph lineage {\n\tgraph [rankdir=LR, labelloc=t, fontname=\"Helvetica\", label=\"");
	append_quoted(&out, stream->arn);
	appendStringInfoString(&out, "\"];\n"
								 "\tnode [shape=box, style=\"rounded,filled\", fillcolor=\"#eeeeee\", fontname=\"Helvetica\", fontsize=10];\n");
	for (int i = 0; i < family->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		append_node(&out, stream, family->nodes[i].shard);
	}
	for (int i = 0; i < family->count; i++)
	{
		ShardNode *node = &family->nodes[i];

		if (node->shard->parent_shard_id == NULL)
			continue;
		if (node->parent == NULL)
		{
			append_expired_parent(&out, node, previous);
			previous = node->shard->parent_shard_id;
		}
		appendStringInfo(&out, "\t\"%s\" -> \"%s\";\n",
						 node->shard->parent_shard_id, node->shard->shard_id);
	}
	appendStringInfoString(&out, "}\n");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
