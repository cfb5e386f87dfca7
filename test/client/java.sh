# Client: AWS SDK for Java 2.57.8
# Packages: maven default-jdk-headless
# Reads: all

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	maven_project reader software.amazon.awssdk:dynamodb:2.57.8 \
		software.amazon.awssdk:url-connection-client:2.57.8 org.slf4j:slf4j-nop:2.0.17
	java_build reader "$HERE/ReadJava.java"
else
	exec java -cp 'reader/classes:reader/lib/*' ReadJava
fi
