"""A producer that does not rest while something else happens to its stream."""

import threading


class Producer:
    """Puts records in rounds, one of each key and with the round's number, until it is stopped."""

    def __init__(self, kinesis, stream, keys, data, pause_seconds=0.01):
        """`data` gives the data of a record from its key and the number of the round."""
        self.kinesis, self.stream, self.keys, self.data = kinesis, stream, keys, data
        # A breath between two rounds leaves the reader a chance of keeping up.
        self.pause_seconds = pause_seconds
        self.rounds, self.failure = 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.stopping.wait(self.pause_seconds):
                records = [{"PartitionKey": key, "Data": self.data(key, self.rounds)} for key in self.keys]
                assert self.kinesis.put_records(StreamName=self.stream, Records=records)["FailedRecordCount"] == 0
                self.rounds += 1
        except Exception as error:
            self.failure = error

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def sent(self):
        """The numbers of all rounds, once it is stopped."""
        if self.failure:
            raise self.failure
        return list(range(self.rounds))
