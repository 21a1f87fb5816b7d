"""The records of a ledger's topic, read as section 9 of docs/ledger.md wants it."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from integration.reader.ledger import Ledger, PartitionReader

PATIENCE_SECONDS = 60  # How long Kafka may say nothing, while a partition has no leader, say.


class Unreadable(Exception):
    """Kafka did not show the log, which says nothing about the log: to be read again."""


def read_kafka(bootstrap, topic):
    """Yields (partition, offset, value) of every record up to the high watermark, partition by partition in the order of their
    numbers; a record without a value has None. Of a partition whose offset 0 is gone, it yields nothing."""
    consumer = _consumer(bootstrap)
    try:
        for partition in range(_partition_count(consumer, topic)):
            for message in _read_partition(consumer, topic, partition):
                yield partition, message.offset(), message.value()
    finally:
        consumer.close()


def read_ledger(bootstrap, topic, ledger_id=None):
    """Judges a whole topic. Yields (reader, offset, verdict) for each record, verdict None where nothing is judged any more; and
    (reader, None, None) after the last of each partition."""
    consumer = _consumer(bootstrap)
    try:
        count = _partition_count(consumer, topic)
        ledger = Ledger(count, ledger_id)
        for partition in range(count):
            reader = PartitionReader(ledger, partition)
            for message in _read_partition(consumer, topic, partition):
                yield reader, message.offset(), reader.take(message.offset(), message.value())
            reader.finish()
            yield reader, None, None
    finally:
        consumer.close()


def read_keys(bootstrap, topic):
    """Yields (offset, key, value) of every record of the log of keys (docs/keys.md, section 4); a tombstone's value is None."""
    consumer = _consumer(bootstrap)
    try:
        for message in _read_partition(consumer, topic, 0):
            yield message.offset(), message.key(), message.value()
    finally:
        consumer.close()


def _consumer(bootstrap):
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "ledger-reader",  # The client wants one; nothing is subscribed to, nothing committed.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_uncommitted",
        "check.crcs": True,
        "auto.offset.reset": "error",
        "max.poll.interval.ms": 86_400_000,  # Whoever takes the records may take their time.
        "fetch.wait.max.ms": 50,
        "fetch.message.max.bytes": 8_388_608,
        "log_level": 0,
    })


def _partition_count(consumer, topic):
    def ask():
        seen = consumer.list_topics(topic, timeout=10).topics[topic]
        if seen.error is not None:
            raise KafkaException(seen.error)
        return len(seen.partitions)

    return _patiently(f"topic {topic}", ask)


def _patiently(what, ask):
    """Asks Kafka until it answers: a broker that has just died makes the first questions fail."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > until:
                raise Unreadable(f"{what}: {error.args[0].str()}") from None
            time.sleep(0.2)


def _read_partition(consumer, topic, partition):
    """Yields each message up to the high watermark of now."""
    begin = TopicPartition(topic, partition, 0)
    what = f"topic {topic}, partition {partition}"
    _, high = _patiently(what, lambda: consumer.get_watermark_offsets(begin, timeout=10))
    if high == 0:
        return
    consumer.assign([begin])
    next_offset = 0
    while next_offset < high:
        message = consumer.poll(PATIENCE_SECONDS)
        if message is None:
            raise Unreadable(f"{what}: nothing came at offset {next_offset}, below the high watermark {high}")
        error = message.error()
        if error is None:
            if message.offset() < high:
                yield message
            next_offset = message.offset() + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            next_offset = message.offset()  # At the end there may be a transaction's marker, which is no record.
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and next_offset == 0:
            break
        else:
            raise Unreadable(f"{what}, offset {next_offset}: {error.str()}")
    consumer.unassign()
