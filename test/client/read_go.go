// Read every shard of $STREAM_ARN to its end with the SDK for Go, version 2.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func number(image map[string]types.AttributeValue, name string) string {
	return image[name].(*types.AttributeValueMemberN).Value
}

func main() {
	ctx := context.Background()
	client := dynamodbstreams.NewFromConfig(must(config.LoadDefaultConfig(ctx)))
	arn := os.Getenv("STREAM_ARN")
	out := must(os.OpenFile(os.Getenv("OUT"), os.O_APPEND|os.O_WRONLY, 0o644))

	listed := must(client.ListStreams(ctx, &dynamodbstreams.ListStreamsInput{TableName: aws.String(os.Getenv("TABLE"))}))
	if len(listed.Streams) == 0 {
		must(0, fmt.Errorf("ListStreams lists nothing"))
	}
	var shards []types.Shard
	var start *string
	for {
		page := must(client.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{
			StreamArn: &arn, ExclusiveStartShardId: start, Limit: aws.Int32(3)})).StreamDescription
		shards = append(shards, page.Shards...)
		start = page.LastEvaluatedShardId
		if start == nil {
			break
		}
	}
	// in the order of shard ids, parents come before their children
	for _, shard := range shards {
		iterator := must(client.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
			StreamArn: &arn, ShardId: shard.ShardId,
			ShardIteratorType: types.ShardIteratorTypeTrimHorizon})).ShardIterator
		for iterator != nil {
			page := must(client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{
				ShardIterator: iterator, Limit: aws.Int32(100)}))
			for _, record := range page.Records {
				image := record.Dynamodb.NewImage
				if image == nil {
					image = record.Dynamodb.OldImage
				}
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", *shard.ShardId,
					*record.Dynamodb.SequenceNumber, record.EventName, number(image, "id"), number(image, "n"),
					number(image, "price"), image["note"].(*types.AttributeValueMemberS).Value)
			}
			iterator = page.NextShardIterator
		}
	}
	fmt.Println(len(shards), "shards")
}
