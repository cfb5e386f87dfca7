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
#include "shard/horizon.h"

PG_FUNCTION_INFO_V1(ddbstreams_shard_tree);
PG_FUNCTION_INFO_V1(ddbstreams_shard_graph);

/* How shard_graph() draws a shard */
#define GRAPH_OPEN	  ", style=\"rounded,filled\", fillcolor=\"#c8e6c9\", penwidth=2"
#define GRAPH_CLOSED  ", style=\"rounded,filled\", fillcolor=\"#e4e4e4\""
#define GRAPH_EXPIRED ", style=\"rounded,dashed\", fontcolor=\"#666666\""

/* A sign of the legend; it has to be a table to have a border of its own. */
#define GRAPH_SIGN(style, text) \
	"<td><table border=\"1\" cellborder=\"0\" cellpadding=\"3\" style=\"rounded" style "><tr><td>" text "</td></tr></table></td>"

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
	int64 age = clock_now() - shard->created_at;
	int64 seconds = Max(age, 0) / USECS_PER_SEC;

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

/*
 * Writes a text within a label of the dot language that is like HTML.
 */
static void
append_escaped(StringInfo out, const char *text)
{
	for (; *text; text++)
	{
		if (*text == '&')
			appendStringInfoString(out, "&amp;");
		else if (*text == '<')
			appendStringInfoString(out, "&lt;");
		else if (*text == '>')
			appendStringInfoString(out, "&gt;");
		else
			appendStringInfoChar(out, (unsigned char) *text < ' ' ? ' ' : *text);
	}
}

/*
 * Appends a shard's id in two lines, so that four shards side by side are
 * narrow enough for a page.  What is the same in all ids of these centuries
 * stands in the first line.
 */
static void
append_id_lines(StringInfo out, const char *shard_id)
{
	int length = Min(strlen("shardId-0000000"), strlen(shard_id));

	appendStringInfo(out, "<font point-size=\"8\">%.*s<br/>%s</font>", length,
					 shard_id, shard_id + length);
}

static void
append_node(StringInfo out, const StreamInfo *stream, const ShardInfo *shard)
{
	bool	   is_expired = horizon_has_passed_shard(stream, shard);
	ShardStats stats;

	appendStringInfo(out, "\t\"%s\" [label=<<b>", shard->shard_id);
	append_range(out, shard);
	appendStringInfoString(out, "</b><br/>");
	appendStringInfoString(out, ShardIsOpen(shard) ? "open" :
								is_expired		   ? "expired" :
													 "closed");
	if (shard_stats_get(stream, shard, statement_snapshot(), &stats))
		appendStringInfo(out, ", %s" INT64_FORMAT " record%s",
						 stats.is_estimate ? "about " : "", stats.records,
						 stats.records == 1 ? "" : "s");
	appendStringInfoString(out, "<br/>");
	append_id_lines(out, shard->shard_id);
	appendStringInfo(out, ">%s, tooltip=\"%s\"];\n",
					 ShardIsOpen(shard) ? GRAPH_OPEN : is_expired ? GRAPH_EXPIRED :
																	GRAPH_CLOSED,
					 shard->shard_id);
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
	{
		appendStringInfo(out, "\t\"%s\" [label=<expired<br/>", parent_id);
		append_id_lines(out, parent_id);
		appendStringInfo(out, ">%s, tooltip=\"%s\"];\n", GRAPH_EXPIRED, parent_id);
	}
}

static int
compare_opening(const void *a, const void *b)
{
	const ShardNode *x = *(ShardNode *const *) a;
	const ShardNode *y = *(ShardNode *const *) b;

	if (x->shard->created_at != y->shard->created_at)
		return x->shard->created_at < y->shard->created_at ? -1 : 1;
	return x < y ? -1 : x > y;
}

/*
 * Appends the axis of time: a point for shards that were opened together, at
 * the same height as these.  Shards are together if there is a second between
 * them at most, or little in comparison with the whole lineage, and none is a
 * child of another.
 */
static void
append_axis(StringInfo out, const ShardFamily *family)
{
	ShardNode **nodes = palloc(Max(family->count, 1) * sizeof(ShardNode *));
	int		   *point_of = palloc0(Max(family->count, 1) * sizeof(int));
	int			points = 0;
	TimestampTz begin = 0;
	int64		together = USECS_PER_SEC;

	for (int i = 0; i < family->count; i++)
		nodes[i] = &family->nodes[i];
	qsort(nodes, family->count, sizeof(ShardNode *), compare_opening);
	if (family->count > 0)
		together = Max(together, (nodes[family->count - 1]->shard->created_at -
								  nodes[0]->shard->created_at) /
									 50);


	appendStringInfoString(out, "\tnode [shape=plaintext, style=\"\", margin=0];\n"
								"\tedge [color=\"#999999\", arrowhead=none];\n");
	for (int i = 0; i < family->count; i++)
	{
		const ShardNode *node = nodes[i];
		TimestampTz		 opened_at = node->shard->created_at;

		CHECK_FOR_INTERRUPTS();
		if (points == 0 || opened_at > begin + together ||
			(node->parent != NULL && point_of[node->parent - family->nodes] == points))
		{
			char *label = clock_label(opened_at);

			/* The time to the second, in two lines */
			appendStringInfo(out, "%s\t\"time %d\" [label=\"%.10s\\n%.8s\"];\n",
							 points > 0 ? "}\n" : "", points + 1, label, label + 11);
			if (points > 0)
				appendStringInfo(out, "\t\"time %d\" -> \"time %d\";\n", points, points + 1);
			points++;
			begin = opened_at;
			appendStringInfo(out, "\t{rank=same; \"time %d\";", points);
		}
		point_of[node - family->nodes] = points;
		appendStringInfo(out, " \"%s\";", node->shard->shard_id);
	}
	if (points > 0)
		appendStringInfo(out, "}\n\t\"now\";\n\t\"time %d\" -> \"now\" [arrowhead=normal];\n", points);
	pfree(point_of);
	pfree(nodes);
}

/*
 * shard_graph(stream_arn text) returns text
 *
 * The graph goes from top to bottom, because a page is narrow and a lineage
 * has more generations than shards side by side.
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
	appendStringInfoString(&out, "digraph lineage {\n\tgraph [labelloc=t, nodesep=0.15, ranksep=0.3, fontname=\"Helvetica\", fontsize=10,\n"
								 "\t\tlabel=<<table border=\"0\" cellspacing=\"6\"><tr><td colspan=\"4\">");
	append_escaped(&out, stream->arn);
	appendStringInfoString(&out, "</td></tr>\n\t\t<tr><td>shards, by the time (UTC) of their opening:</td>" GRAPH_SIGN("\" bgcolor=\"#c8e6c9\"", "open")
									 GRAPH_SIGN("\" bgcolor=\"#e4e4e4\"", "closed")
										 GRAPH_SIGN(",dashed\"", "expired") "</tr></table>>];\n"
																			"\tnode [shape=box, fontname=\"Helvetica\", fontsize=10, margin=\"0.06,0.04\"];\n"
																			"\tedge [arrowsize=0.7];\n");
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
	append_axis(&out, family);
	appendStringInfoString(&out, "}\n");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
