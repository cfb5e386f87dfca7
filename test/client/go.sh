# Client: AWS SDK for Go v2, dynamodbstreams 1.47.0
# Packages:
# Reads: all

if [ "$1" = install ]; then
	mkdir -p reader
	cp "$HERE/read_go.go" reader/main.go
	cd reader
	[ -f go.mod ] || go mod init reader
	go get github.com/aws/aws-sdk-go-v2@v1.48.0 github.com/aws/aws-sdk-go-v2/config@v1.33.18 \
		github.com/aws/aws-sdk-go-v2/service/dynamodbstreams@v1.47.0
	go build -o reader .
	# a module cache is read-only, and could not be removed
	chmod -R u+w "$(go env GOMODCACHE)"
else
	exec reader/reader
fi
