#!/bin/sh
# Creates the topics of topics.txt that are not there yet: ./create-topics.sh HOST:PORT
#
# KAFKA_TOPICS names Kafka's own tool where it is not on the search path; REPLICATION_FACTOR is 1 unless said otherwise
# (3 where there are three brokers); any further arguments go to the tool (--command-config FILE for TLS or SASL).
set -eu

servers="${1:?say which Kafka: HOST:PORT}"
shift
topics="$(dirname "$0")/topics.txt"

grep -v -e '^#' -e '^[[:space:]]*$' "$topics" | while read -r name partitions settings; do
  configs=""
  for setting in $settings; do
    configs="$configs --config $setting"
  done
  # The settings are words of topics.txt and hold no spaces.
  # shellcheck disable=SC2086
  "${KAFKA_TOPICS:-kafka-topics.sh}" --bootstrap-server "$servers" "$@" --create --if-not-exists --topic "$name" \
    --partitions "$partitions" --replication-factor "${REPLICATION_FACTOR:-1}" $configs </dev/null
done
