// Writes each change of table orders to table audit, exactly once.
//
//	go run consumer.go NAME
//
// This is one worker of the consumer group "audit". Start as many as you like,
// each with its own NAME. PGHOST, PGDATABASE, PGUSER and so on say where the
// database is. The program ends with an error when it loses the database; start
// it again, and it goes on where it was.
package main

import (
	"context"
	"log"
	"os"

	"github.com/jackc/pgx/v5"
)

type record struct {
	Shard, Number, Event string
	Order                int
	Status               *string // null when the row was deleted
}

func work(ctx context.Context, tx pgx.Tx, worker string) error {
	// the next records; waits until there are some, for 10 seconds at most
	rows, err := tx.Query(ctx,
		`select shard_id, sequence_number, event_name,
		        (keys #>> '{id,N}')::int, new_image #>> '{status,S}'
		 from ddbstreams.poll('audit', $1, max_wait => '10 s')`, worker)
	if err != nil {
		return err
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByPos[record])
	if err != nil {
		return err
	}

	done := map[string]string{}
	for _, r := range records {
		_, err = tx.Exec(ctx, `insert into audit (event, order_id, status) values ($1, $2, $3)`,
			r.Event, r.Order, r.Status)
		if err != nil {
			return err
		}
		done[r.Shard] = r.Number
	}
	for shard, number := range done {
		_, err = tx.Exec(ctx, `select ddbstreams.checkpoint('audit', $1, $2, $3)`,
			worker, shard, number)
		if err != nil {
			return err
		}
	}
	return nil
}

func main() {
	ctx := context.Background()
	database, err := pgx.Connect(ctx, "")
	for err == nil {
		// records, their effects and the checkpoints are one transaction
		err = pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
			return work(ctx, tx, os.Args[1])
		})
	}
	log.Fatal(err)
}
