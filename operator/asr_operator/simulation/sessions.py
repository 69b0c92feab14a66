"""Where sessions are, and what they say: in the lobby, or at a pod with what it owes them.

1. A session goes to a ready pod by its luck, and stays there. Where it finds none, or a full one,
   it tries again every 2 s and gives up after 30 s; what it says meanwhile is sent afterwards.
2. A pod that drains lets each session go as soon as nothing is owed to it; it goes to another pod.
   One that dies sends all to the lobby, with what was not answered.
"""

from asr_operator.simulation.columns import (
    AUDIO,
    COMING,
    DROPPED,
    GIVE_UP_S,
    GOLDEN,
    INPUTS,
    LATE,
    LEAVING,
    LOBBY,
    LOST,
    MOVED,
    NOBODY,
    OLDEST,
    READY,
    REFUSED,
    SPEAKING,
    TRY_EVERY_S,
    UNANSWERED,
    WAITING,
    State,
)
from asr_operator.simulation.profiles import Limits


def retire_sessions(state: State, until: float) -> None:
    """Let sessions go that end before `until`; those in the lobby go unheard."""
    cursors = state.cursors
    while cursors[LEAVING] < len(state.leaving):
        session = state.leaving[cursors[LEAVING]]
        if state.end_s[session] >= until or session >= cursors[COMING]:
            break
        cursors[LEAVING] += 1
        pod = state.pod_of[session]
        if pod >= 0:
            state.sessions[pod] -= 1
        elif pod == LOBBY:
            give_up(state, session)
    while cursors[OLDEST] < cursors[COMING] and state.end_s[cursors[OLDEST]] < until:
        cursors[OLDEST] += 1


def move_sessions(state: State, limits: Limits, now: float, until: float) -> None:
    """Send sessions of draining pods elsewhere to which nothing is owed."""
    for session in range(state.cursors[OLDEST], state.cursors[COMING]):
        pod = state.pod_of[session]
        if pod < 0 or state.end_s[session] < until or state.owed[session] > 0:
            continue
        if state.is_draining[pod] > 0:
            state.sessions[pod] -= 1
            state.counters[MOVED] += 1
            enter(state, limits, session, now)


def empty_lobby(state: State, limits: Limits, now: float) -> None:
    """Let sessions try again that found no place."""
    for session in range(state.cursors[OLDEST], state.cursors[COMING]):
        if state.pod_of[session] != LOBBY:
            continue
        if now - state.lobby_since[session] > GIVE_UP_S:
            give_up(state, session)
        elif (int(now) + session) % TRY_EVERY_S == 0:
            state.cursors[WAITING] -= 1
            since = state.lobby_since[session]
            enter(state, limits, session, now)
            state.lobby_since[session] = since


def accept_sessions(state: State, limits: Limits, until: float) -> None:
    """Let sessions in that come before `until`."""
    cursors = state.cursors
    while cursors[COMING] < len(state.start_s) and state.start_s[cursors[COMING]] < until:
        cursors[COMING] += 1
        enter(state, limits, cursors[COMING] - 1, state.start_s[cursors[COMING] - 1])


def accept_utterances(state: State, until: float) -> None:
    """Queue the utterances that end before `until`."""
    cursors = state.cursors
    while cursors[SPEAKING] < len(state.due_s) and state.due_s[cursors[SPEAKING]] < until:
        item = cursors[SPEAKING]
        cursors[SPEAKING] += 1
        pod = state.pod_of[state.caller[item]]
        if pod >= 0:
            queue(state, pod, item, state.due_s[item])
        elif pod == LOBBY:
            hold(state, item)
        else:
            lose(state)


def enter(state: State, limits: Limits, session: int, now: float) -> None:
    """Let a session try one ready pod; in the lobby it waits if that is full, or none is ready."""
    ready = state.cursors[READY]
    state.tries[session] += 1
    luck = (state.luck[session] + GOLDEN * (state.tries[session] - 1)) % 1.0
    pod = state.ready[int(luck * ready)] if ready > 0 else NOBODY
    if ready == 0 or state.sessions[pod] >= limits.max_sessions:
        state.counters[REFUSED] += 1.0 if ready > 0 else 0.0
        state.pod_of[session] = LOBBY
        state.lobby_since[session] = now
        state.cursors[WAITING] += 1
        return
    state.pod_of[session] = pod
    state.sessions[pod] += 1
    item = state.held_first[session]
    state.held_first[session] = NOBODY
    while item != NOBODY:
        following = state.following[item]
        queue(state, pod, item, now)
        item = following


def give_up(state: State, session: int) -> None:
    """Take a session out of the lobby; what it said is lost, and so is what it will say."""
    state.pod_of[session] = LOST
    state.cursors[WAITING] -= 1
    state.counters[DROPPED] += 1
    item = state.held_first[session]
    while item != NOBODY:
        lose(state)
        item = state.following[item]
    state.held_first[session] = NOBODY


def lose(state: State) -> None:
    """Count an utterance that gets no answer."""
    state.counters[UNANSWERED] += 1
    state.counters[LATE] += 1


def hold(state: State, item: int) -> None:
    """Keep an utterance of a session in the lobby."""
    session = state.caller[item]
    state.following[item] = NOBODY
    if state.held_first[session] == NOBODY:
        state.held_first[session] = item
    else:
        state.following[state.held_last[session]] = item
    state.held_last[session] = item


def queue(state: State, pod: int, item: int, now: float) -> None:
    """Queue an utterance at a pod."""
    state.counters[AUDIO] += state.audio_s[item]
    state.counters[INPUTS] += 1
    state.owed[state.caller[item]] += 1
    state.came_s[item] = now
    state.following[item] = NOBODY
    if state.first[pod] == NOBODY:
        state.first[pod] = item
    else:
        state.following[state.last[pod]] = item
    state.last[pod] = item
    state.queued[pod] += 1


def kill(state: State, pod: int, now: float) -> None:
    """Send all sessions of a pod to the lobby, with what was not answered."""
    for session in range(state.cursors[OLDEST], state.cursors[COMING]):
        if state.pod_of[session] == pod and state.end_s[session] >= now:
            state.pod_of[session] = LOBBY
            state.lobby_since[session] = now
            state.owed[session] = 0
            state.counters[MOVED] += 1
            state.cursors[WAITING] += 1
    state.sessions[pod] = 0
    item = state.first[pod]
    while item != NOBODY:
        following = state.following[item]
        if state.pod_of[state.caller[item]] == LOBBY:
            hold(state, item)
        else:
            lose(state)
        item = following
    state.first[pod] = NOBODY
    state.queued[pod] = 0


def count_overdue(state: State, before: float) -> int:
    """Return how many utterances wait that ended before a moment."""
    total = 0
    for pod in range(len(state.first)):
        total += count_chain(state, state.first[pod], before)
    for session in range(state.cursors[OLDEST], state.cursors[COMING]):
        if state.pod_of[session] == LOBBY:
            total += count_chain(state, state.held_first[session], before)
    return total


def count_chain(state: State, item: int, before: float) -> int:
    """Return how many utterances of a chain ended before a moment."""
    total = 0
    while item != NOBODY:
        total += 1 if state.due_s[item] < before else 0
        item = state.following[item]
    return total
