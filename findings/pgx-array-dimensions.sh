#!/bin/bash
#
# pgx's Values() and CollectRows(RowToMap) flatten arrays of more dimensions.
#
# One would guess nested slices, or an error: pgx can scan such an array into
# [][]int32, and knows its dimensions from the binary format.
#
# Where the caller names no type, the elements come as one flat slice. Two rows
# that differ only in their arrays' shape are then equal.
#
# A change stream writes the dimensions as nested lists. A consumer that
# compares them with a row read this way sees a change of shape in the stream
# and none in the table.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
go_packages github.com/jackc/pgx/v5@v5.12.0
cat >"$go_project/main.go" <<'END'
package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, "")
	if err != nil {
		panic(err)
	}
	for _, array := range []string{"array[array[1,2],array[3,4]]", "array[array[1,2,3,4]]", "array[1,2,3,4]"} {
		rows, _ := conn.Query(ctx, "select "+array+" as a")
		row, err := pgx.CollectOneRow(rows, pgx.RowToMap)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\t%v\n", array, row["a"])
	}
	var nested [][]int32
	if err := conn.QueryRow(ctx, "select array[array[1,2],array[3,4]]").Scan(&nested); err != nil {
		panic(err)
	}
	fmt.Printf("scanned\t%v\n", nested)
}
END
seen=$(run_go)
expect_lines "$seen" <<'END'
array[array[1,2],array[3,4]]	[1 2 3 4]
array[array[1,2,3,4]]	[1 2 3 4]
array[1,2,3,4]	[1 2 3 4]
scanned	[[1 2] [3 4]]
END
finish
