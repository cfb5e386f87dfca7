// A Lambda function as it is deployed at AWS: it tells a web service of each order
// and its status. Nothing in it knows where it runs.

exports.handler = async (event, context) => {
  for (const record of event.Records) {
    const change = record.dynamodb;
    if (record.eventName === 'REMOVE') continue;
    const order = {
      order: Number(change.Keys.id.N),
      status: change.NewImage.status.S,
    };
    try {
      const answer = await fetch(process.env.NOTIFY_URL, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': record.eventID },
        body: JSON.stringify(order),
      });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
    } catch (error) {
      // this record and those behind it come again
      return { batchItemFailures: [{ itemIdentifier: change.SequenceNumber }] };
    }
  }
  return { batchItemFailures: [] };
};
