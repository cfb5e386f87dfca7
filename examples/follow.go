// Follows the stream of table orders by iterators, and writes each change to audit.
//
//	go run follow.go
//
// One goroutine reads each shard. Table position says how far it is; position
// and effects are one transaction, so each change is written exactly once. The
// program ends with an error when it loses the database; start it again, and it
// goes on where it was. Run it once: it does not share the shards with others.
package main

import (
	"context"
	"errors"
	"log"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Shards that may be read: not finished, and their parents are finished or gone.
const ready = `
	with unfinished as (
	    select shard_id, parent_shard_id
	    from ddbstreams.describe_stream($1) left join position using (shard_id)
	    where finished is not true)
	select shard_id from unfinished as shard
	where not exists (select from unfinished as parent
	                  where parent.shard_id = shard.parent_shard_id)`

type record struct {
	Number string
	Next   *string // null behind the last record of a closed shard
	Event  string
	Order  int
	Status *string // null when the row was deleted
}

// firstIterator returns one that goes on behind the last record that was processed.
func firstIterator(ctx context.Context, database *pgx.Conn, arn, shard string) (*string, error) {
	const get = `select ddbstreams.get_shard_iterator($1, $2, $3, $4)`
	var iterator, number *string

	err := database.QueryRow(ctx, `select sequence_number from position where shard_id = $1`,
		shard).Scan(&number)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	if number != nil {
		err = database.QueryRow(ctx, get, arn, shard, "AFTER_SEQUENCE_NUMBER", number).Scan(&iterator)
		var failure *pgconn.PgError
		if !errors.As(err, &failure) || !strings.Contains(failure.Message, "trimmed") {
			return iterator, err
		}
		log.Printf("%s: records may have expired before they were read", shard)
	}
	err = database.QueryRow(ctx, get, arn, shard, "TRIM_HORIZON", nil).Scan(&iterator)
	return iterator, err
}

// readPage processes what there is to read now, and returns where to go on: the same
// place if there was nothing, and null at the end of the shard.
func readPage(ctx context.Context, tx pgx.Tx, shard string, iterator *string) (*string, error) {
	var number *string

	rows, err := tx.Query(ctx,
		`select sequence_number, next_shard_iterator, event_name,
		        (keys #>> '{id,N}')::int, new_image #>> '{status,S}'
		 from ddbstreams.get_records($1)`, iterator)
	if err != nil {
		return nil, err
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByPos[record])
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		_, err = tx.Exec(ctx, `insert into audit (event, order_id, status) values ($1, $2, $3)`,
			r.Event, r.Order, r.Status)
		if err != nil {
			return nil, err
		}
		number, iterator = &records[i].Number, r.Next
	}
	if len(records) == 0 {
		err = tx.QueryRow(ctx, `select ddbstreams.next_shard_iterator($1)`, iterator).Scan(&iterator)
		if err != nil || iterator != nil {
			return iterator, err
		}
	}
	_, err = tx.Exec(ctx, `insert into position values ($1, $2, $3)
		on conflict (shard_id) do update
		set sequence_number = coalesce(excluded.sequence_number, position.sequence_number),
		    finished = excluded.finished`, shard, number, iterator == nil)
	return iterator, err
}

// follow reads a shard to its end.
func follow(ctx context.Context, arn, shard string) error {
	database, err := pgx.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer database.Close(ctx)
	iterator, err := firstIterator(ctx, database, arn, shard)
	for err == nil && iterator != nil {
		// waits for the next commit, or for the shard's end; not in a transaction
		_, err = database.Exec(ctx, `select ddbstreams.wait_for_records($1, '1 minute')`, iterator)
		if err == nil {
			err = pgx.BeginFunc(ctx, database, func(tx pgx.Tx) (err error) {
				iterator, err = readPage(ctx, tx, shard, iterator)
				return err
			})
		}
	}
	return err
}

type ending struct {
	shard string
	err   error
}

func main() {
	ctx := context.Background()
	var arn string
	running := map[string]bool{}
	ended := make(chan ending)

	database, err := pgx.Connect(ctx, "")
	if err == nil {
		err = database.QueryRow(ctx, `select ddbstreams.latest_stream_arn('orders')`).Scan(&arn)
	}
	for err == nil {
		var shards []string
		rows, _ := database.Query(ctx, ready, arn)
		shards, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			break
		}
		for _, shard := range shards {
			if !running[shard] {
				running[shard] = true
				go func() { ended <- ending{shard, follow(ctx, arn, shard)} }()
			}
		}
		if len(running) == 0 {
			return // the stream is disabled, and read to its end
		}
		end := <-ended
		delete(running, end.shard)
		err = end.err
	}
	log.Fatal(err)
}
