/* commands/model/lead.pml: who leads: bids and hand-over, as a model that spin explores to its last state.
 *
 * To run  commands/model/run, which explores ledger.pml as well; with --show it prints a situation step by step.
 * World   Two nodes and a log. Any node bids at any time, for it may take the other for dead, or its rank comes first; it commits
 *         while it leads. What was sent lands never, late, in any order, any number of times. Leaders lag behind the log by LAG
 *         records at most, give up and hang; one node comes again as a new process.
 * Bounds  RECORDS records are written, two of a leader are in flight. Within that: every run.
 * Given   What ledger.pml proves: a record counts when it names the head, and a leader confirms by reading. So nothing here can make
 *         a wrong record count. Checked is what leading promises beyond that: who decides leads by a record of its own; a hand-over
 *         costs nobody a decision; packets of the past move nobody; leaders do not flap; all who have read agree on who leads.
 *
 * Piece                The rule of the ledger that it stands for
 * process(n)           A node in one of its lives: what a leader record names by its incarnation.
 * append               Two that write the same bytes write one record: a bid, and a hand-over to that bidder, on one head.
 * hear                 A leader meets a bid as a void foreign leader record: its height is above that of the leader's own leader
 *                      record, and that is old: then the leader decides no more,
 * HAND_OVER            and once its flight has landed it writes a leader record that names the bidder.
 * confirm, BID         Who is named by a record of another hand leads only by a bid of its own.
 * TIME                 Ten seconds pass: who leads now is old. */
#ifndef RULE /* Give all of these or none. */
#define RULE every
#define REACH nothing
#define DEFECT none
#define SIZE 5
#endif
#define LAG     2
#define RECORDS SIZE
mtype:rule = { every, own_record, undone, old_packet, settled, agreed };
mtype:situation = { nothing, handed_over, flight_landed_first, idle_deposed, busy_deposed, old_bid_ignored, young_ignored, two_leaders,
    late_hand_over, heir_gone, one_record_of_two };
/* no_height, no_age: a bid is heard without that guard. open_flight: hands over on the confirmed head before its flight has landed.
 * decides_on: goes on deciding behind its hand-over. unconfirmed: who is named leads at once. by_name: a bid counts as confirmed by any
 * record that names the node, whichever life. deaf: a leader with nothing in flight does not believe that it lost its place. */
mtype:defect = { none, no_height, no_age, open_flight, decides_on, unconfirmed, by_name, deaf };
mtype:role = { FOLLOWS, BIDS, LEADS, HANDS_OVER };
#define must(rule, holds)        assert((RULE != every && RULE != rule) || (holds))
#define reached(situation, when) assert(REACH != situation || !(when))

#define GENESIS     1
#define LAST        (RECORDS + 1)
#define NOBODY      7
#define process(n)  ((n) * 2 + node[n].life)
#define node_of(p)  ((p) >> 1)
#define lives(p)    (process(node_of(p)) == (p))
#define wrote(p, x) (rec[x].writers & (1 << (p)))
#define hands(x)    (rec[x].leads && !wrote(rec[x].names, x)) /* A hand-over that is no bid as well. */

typedef Record { byte writers, names, prev, height, knew; bool leads } /* knew: the leader record that its writer knew of. */
typedef Node {
    mtype:role role;
    bit life;
    byte head, lead; /* As it has read; a follower has read all. */
    byte mine;       /* The leader record by which it leads. */
    bool old;
    byte heir;       /* The process that it will hand over to. */
    byte flying, flight[2]
}
Record rec[LAST + 1];
byte written = GENESIS;
byte head = GENESIS, lead; /* The truth: what the log's order makes of it. */
bool fresh;                /* Whoever leads began after the last TIME. */
Node node[2];
chan unread[2] = [LAG] of { byte };
hidden byte i, k, r, x, p, count; /* Scratch, dead between two steps. */
#define my          node[me]
#define self        process(me)
#define room        (written < LAST && my.flying < 2)
#define flies(n, x) (x && (node[n].flight[0] == x || node[n].flight[1] == x))

inline append(leader, who) {
    p = (my.flying && !(leader) -> my.flight[my.flying - 1] : my.head);
    x = GENESIS + 1;
    do
    :: x <= written && !(leader && rec[x].leads && rec[x].prev == p && rec[x].names == who) -> x++
    :: else -> break
    od;
    if
    :: x > written -> written = x; rec[x].prev = p; rec[x].height = rec[p].height + 1;
        rec[x].leads = leader; rec[x].names = who; rec[x].knew = my.lead
    :: else
    fi;
    rec[x].writers = rec[x].writers | (1 << self);
    my.flight[my.flying] = x; my.flying++
}
inline follow() { /* And read all that there is. */
    my.role = FOLLOWS; my.flying = 0; my.flight[0] = 0; my.flight[1] = 0;
    my.heir = NOBODY; my.mine = 0; my.old = false;
    my.head = head; my.lead = lead;
    do :: len(unread[me]) > 0 -> unread[me]?_ :: else -> break od
}
inline confirm() {
    r = my.flight[0]; my.head = r; my.flying--; my.flight[0] = my.flight[1]; my.flight[1] = 0;
    if
    :: !rec[r].leads -> reached(flight_landed_first, my.heir != NOBODY)
    :: rec[r].leads && my.role == BIDS -> my.role = LEADS; my.mine = r; my.lead = r;
        reached(handed_over, rec[rec[r].prev].names == self && hands(rec[r].prev));
        reached(two_leaders, node[1 - me].role == LEADS)
    :: else -> follow()
    fi
}
inline hear() {
    if
    :: my.role == LEADS && my.heir == NOBODY && rec[r].leads && rec[r].names != self ->
        reached(old_bid_ignored, my.old && rec[r].height <= rec[my.mine].height);
        reached(young_ignored, !my.old && rec[r].height > rec[my.mine].height);
        if
        :: (my.old || DEFECT == no_age) && (rec[r].height > rec[my.mine].height || DEFECT == no_height) ->
            must(old_packet, rec[r].knew == my.mine);
            my.heir = rec[r].names
        :: else
        fi
    :: else
    fi
}
#define CONFIRMS (my.flying && (r == my.flight[0] || \
    DEFECT == by_name && my.role == BIDS && rec[r].leads && node_of(rec[r].names) == me))
inline read_one() {
    unread[me]?r;
    if
    :: rec[r].prev == my.head && (CONFIRMS) -> confirm()
    :: rec[r].prev == my.head && !(CONFIRMS) ->
        reached(idle_deposed, my.role == LEADS && !my.flying); reached(busy_deposed, my.role == LEADS && my.flying);
        if :: DEFECT == deaf && !my.flying -> skip :: else -> follow() fi
    :: rec[r].prev != my.head && flies(me, r) -> follow()
    :: else -> hear()
    fi;
    must(agreed, len(unread[me]) > 0 || my.role != LEADS || rec[lead].names == self)
}
inline count_in() {
    head = x;
    if
    :: !rec[x].leads -> must(own_record, wrote(rec[lead].names, x) && wrote(rec[lead].names, lead))
    :: rec[x].leads && hands(x) ->
        for (i : 0 .. 1) {
            if :: wrote(process(i), x) -> must(undone, node[i].flying <= 1); reached(late_hand_over, node[i].role != HANDS_OVER)
            :: else
            fi
        }
        must(settled, !fresh); reached(heir_gone, !lives(rec[x].names)); lead = x
    :: else -> lead = x;
        for (i : 0 .. 3) { reached(one_record_of_two, i != rec[x].names && wrote(i, x)) }
    fi;
    fresh = fresh || rec[x].leads
}
inline land() { /* Followers read at once; leaders lag, and what is void and no bid is no news to them. */
    count = (rec[x].prev == head);
    if :: count -> count_in() :: else fi;
    for (k : 0 .. 1) {
        if
        :: node[k].role == FOLLOWS -> node[k].head = head; node[k].lead = lead;
            if
            :: DEFECT == unconfirmed && count && rec[x].leads && rec[x].names == process(k) ->
                node[k].role = LEADS; node[k].mine = x
            :: else
            fi
        :: else ->
            if :: count || rec[x].leads || flies(k, x) -> unread[k]!x :: else fi
        fi
    }
}
#define MAY_DECIDE (my.role == LEADS && my.heir == NOBODY || DEFECT == decides_on && my.role == HANDS_OVER)
#define BID        my.role == FOLLOWS && room -> append(true, self); my.role = BIDS
#define HAND_OVER  my.role == LEADS && my.heir != NOBODY && room && (my.flying == 0 || DEFECT == open_flight) -> \
    append(true, my.heir); my.role = HANDS_OVER
proctype Member(byte me) {
end:do
    :: d_step { BID }
    :: d_step { HAND_OVER }
    :: d_step { (MAY_DECIDE) && room -> append(false, NOBODY); skip }
    :: d_step { len(unread[me]) > 0 -> read_one(); skip }
    :: d_step { my.role != FOLLOWS -> follow(); skip } /* An append failed, or an own record is lost from sight. */
    :: d_step { me == 1 && my.life == 0 -> my.life = 1; follow(); skip }
    od
}
#define heard    (len(unread[0]) < LAG && len(unread[1]) < LAG)
#define LANDS(n) :: d_step { n <= written && heard -> x = n; land(); skip }
#define YOUNG(n) (node[n].role == LEADS && !node[n].old)
#define TIME     :: d_step { fresh || YOUNG(0) || YOUNG(1) -> fresh = false; \
    for (i : 0 .. 1) { node[i].old = node[i].old || node[i].role == LEADS } skip }
proctype Log() {
end:do TIME LANDS(2) LANDS(3) LANDS(4) LANDS(5) LANDS(6) LANDS(7) od
}
init {
    for (i : 0 .. 1) { node[i].role = FOLLOWS; node[i].heir = NOBODY; node[i].head = GENESIS }
    atomic { run Member(0); run Member(1); run Log() }
}
