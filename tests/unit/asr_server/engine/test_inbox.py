import queue
import threading

from asr_server.engine import inbox as inboxes
from asr_server.link import channel, messages


class Sender:
    """A channel whose messages the test sends; an exception is raised where it is received."""

    def __init__(self):
        self.sent = queue.Queue()
        self.ended = queue.Queue()
        self.inbox = inboxes.Inbox(self.receive, self.ended.put)
        self.inbox.start()

    def receive(self):
        message = self.sent.get()
        if isinstance(message, Exception):
            raise message
        return message


def take(inbox, count):
    taken = []
    while len(taken) < count:
        taken += inbox.take(5.0)
    return taken


def test_messages_are_taken_in_the_order_they_came():
    sender = Sender()
    sent = [messages.Cancel(number) for number in range(10)]
    for message in sent:
        sender.sent.put(message)
    assert take(sender.inbox, 10) == sent
    sender.sent.put(None)


def test_a_message_ends_the_wait():
    sender = Sender()
    taken = queue.Queue()
    waiting = threading.Thread(target=lambda: taken.put(sender.inbox.take(None)))
    waiting.start()
    sender.sent.put(messages.Cancel(1))
    assert taken.get(timeout=30.0) == [messages.Cancel(1)]
    waiting.join()
    sender.sent.put(None)


def test_taking_without_waiting_returns_at_once():
    sender = Sender()
    assert sender.inbox.take(0.0) == []
    sender.sent.put(None)


def test_the_end_of_the_channel_ends_the_process_in_the_middle_of_its_work():
    sender = Sender()
    sender.sent.put(None)
    assert sender.ended.get(timeout=30.0) == 0


def test_a_broken_channel_ends_the_process_as_a_failure():
    sender = Sender()
    sender.sent.put(channel.ChannelError("garbage"))
    assert sender.ended.get(timeout=30.0) == 1
