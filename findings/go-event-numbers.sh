#!/bin/bash
#
# The Lambda event types for Go turn a number that does not fit into another one,
# without an error.
#
# One would guess that Integer(), which returns an int64 and an error, returns the
# error for a number that is no int64: strconv.ParseInt, which everybody would
# call, does.
#
# A fraction is cut off: 1.9 is 1. A number beyond the range becomes the least
# int64 (on x86-64). {"NULL": false} is NULL. Float() does return an error beyond
# its range.
#
# A numeric column holds such numbers every day, and so does the identifier of a
# record in a change stream. A handler in Go should take the text, by Number(),
# and parse that.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
go_packages github.com/aws/aws-lambda-go@v1.55.1
cat >"$go_project/main.go" <<'END'
package main

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
)

func main() {
	for _, digits := range []string{"9007199254740993", "9223372036854775807", "1E+2", "1.9", "9223372036854775808", "1E+30"} {
		value, err := events.NewNumberAttribute(digits).Integer()
		fmt.Printf("Integer() of %s\t%d, error %t\n", digits, value, err != nil)
	}
	_, err := events.NewNumberAttribute("1E+400").Float()
	fmt.Printf("Float() of 1E+400\terror %t\n", err != nil)
	var value events.DynamoDBAttributeValue
	err = json.Unmarshal([]byte(`{"NULL": false}`), &value)
	fmt.Printf("false\tNULL %t, error %t\n", value.IsNull(), err != nil)
}
END
seen=$(run_go)
expect_lines "$seen" <<'END'
Integer() of 9007199254740993	9007199254740993, error false
Integer() of 9223372036854775807	9223372036854775807, error false
Integer() of 1E+2	100, error false
Integer() of 1.9	1, error false
Integer() of 9223372036854775808	-9223372036854775808, error false
Integer() of 1E+30	-9223372036854775808, error false
Float() of 1E+400	error true
false	NULL true, error false
END
finish
