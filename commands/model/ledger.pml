/* commands/model/ledger.pml: the chained ledger as a model that spin explores to its last state.
 *
 * To run  commands/model/run (Debian's spin, gcc); with --show it prints a situation step by step.
 * World   Two nodes, a log that only appends, one seat: commands 1 and 2 want it, 3 gives it back.
 *         What was sent lands never, late, in any order, any number of times; so does foreign junk.
 *         Clients send each command to any node again and again; nodes step down, or die, any time.
 * Bounds  None on terms, retries, repeats, junk and the length of the log: what can no longer be
 *         accepted is forgotten (sweep). A node has at most two records in flight and three that
 *         may still be accepted; a leader has at most LAG records to read.
 * Given   No two hashes collide, the log keeps what it holds, and a report of the next unread
 *         offset is true. Any other offset, lower, higher or negative, and silence, may be a lie.
 *
 * Piece                    The rule of the ledger that it stands for
 * Record, accepted         A record names the hash of the one before; the log's order decides.
 * unread[n]                The log from node n's next unread offset on; its first is contiguous.
 * append(0, 1), BID_AGAIN  Lead: read all, append a leader record on the head; confirmed, it leads.
 *                          A process that bids twice on one head writes the same bytes twice.
 * accept, refuse, append   Decide on the speculative state. A refusal is remembered as well, and
 *                          rides on the next record, or on an answers record of its own.
 * CONTIGUOUS, report       Confirm in order. Any other offset proves nothing: read on, up to it or
 *                          to the high watermark; what is then not found ends the term.
 * fold, put_back_all       An own void record, or a foreign one on our head, ends the term.
 * tell                     Clients hear what is on record, yes or no, as readers of the log do. */
#ifndef SIZE   /* Give all four or none. Defects: unchecked_ack confirms on any report, early_no */
#define SIZE 2 /* answers a refusal at once, no_chain accepts all that lands, as a plain log does. */
#define RULE every
#define REACH nothing
#define DEFECT none
#endif
mtype:rule = { every, decided_once, seat_sold_once, yes_on_record, no_on_record, one_answer,
    seat_told_once, fenced, put_back };
mtype:situation = { nothing, yes_told, no_told, no_rode, still_refused, two_leaders, own_void,
    own_repeat, full_flight_put_back, late_landing, decided_again, found_by_reading };
mtype:defect = { none, unchecked_ack, early_no, no_chain };
mtype:role = { FOLLOWS, BIDS, LEADS };
#define LAG SIZE
#define must(rule, holds)        assert((RULE != every && RULE != rule) || (holds))
#define reached(situation, when) assert(REACH != situation || !(when))

#define CANCEL  3                 /* Commands are 1, 2 and 3; 0 is none. */
#define the(c)  ((1 << (c)) >> 1) /* A command as a set of commands. */
#define VOID    0                 /* A slot is a hash; slot 0 is what is foreign or forgotten. */
#define GENESIS 1
#define OWN(n)  (2 + (n) * 3)     /* The first of node n's slots. */
#define LAST    7
#define on(x)   (1 << (x))        /* A slot as a set of slots. */

typedef Record { byte prev, yes, no; bit leads } /* yes: a command; no: a set of refusals. */
typedef Fold { byte head, holder, yes, no }      /* holder has the seat; yes, no: remembered. */
typedef Node { mtype:role role; Fold s; byte flying, unsaid; byte flight[2]; byte before[2] }
Record rec[LAST + 1];
byte held = on(VOID) | on(GENESIS);
Fold chain;                           /* The truth: what the log's order makes of it. */
Node node[2];
chan unread[2] = [LAG] of { byte };
byte told_yes, told_no;               /* What any client was ever told. */
hidden byte i, k, r, x, first, count; /* Scratch, dead between two steps. */
#define my                node[me]
#define front             my.flight[0]
#define flies(n, x)       (x && (node[n].flight[0] == x || node[n].flight[1] == x))
#define room              (my.flying < 2 && (~held & (7 << OWN(me))))
#define accepted(r, head) (rec[r].prev == head || (DEFECT == no_chain && r > GENESIS))
#define refused(s, c)     ((c == CANCEL) != (s.holder != 0)) /* The domain's rule. */
#define evolve(s, c, refusals) s.yes = s.yes | the(c); s.no = s.no | refusals; \
    s.holder = (c -> (c == CANCEL -> 0 : c) : s.holder)
#define same(a, b) (a.head == b.head && a.holder == b.holder && a.yes == b.yes && a.no == b.no)

inline tell(yes_set, no_set) {
    told_yes = told_yes | yes_set; told_no = told_no | no_set;
    must(yes_on_record, !(told_yes & ~chain.yes));
    must(no_on_record, !(told_no & ~chain.no));
    must(one_answer, !(told_yes & told_no));
    must(seat_told_once, (told_yes & 3) != 3 || (chain.yes & the(CANCEL)))
}
inline put_back_all() { /* Newest first. */
    reached(full_flight_put_back, my.flying == 2 && my.unsaid);
    my.s.no = my.s.no & ~my.unsaid; my.unsaid = 0;
    do
    :: my.flying > 0 -> my.flying--; i = my.flight[my.flying];
        my.s.yes = my.s.yes & ~the(rec[i].yes); my.s.no = my.s.no & ~rec[i].no;
        my.s.holder = my.before[my.flying]; my.flight[my.flying] = 0; my.before[my.flying] = 0
    :: else -> break
    od;
    my.role = FOLLOWS
}
inline confirm() {
    r = front; my.s.head = r; my.role = LEADS; my.flying--;
    my.flight[0] = my.flight[1]; my.flight[1] = 0; my.before[0] = my.before[1]; my.before[1] = 0;
    reached(two_leaders, node[1 - me].role == LEADS);
    reached(yes_told, rec[r].yes); reached(no_told, rec[r].no && !rec[r].yes);
    reached(no_rode, rec[r].no && rec[r].yes);
    tell(the(rec[r].yes), rec[r].no)
}
inline fold() {
    if
    :: accepted(r, my.s.head) && r == front -> confirm()
    :: accepted(r, my.s.head) && r != front -> /* It took our head: our flight is void. */
        must(fenced, my.role != LEADS || rec[r].leads);
        put_back_all(); evolve(my.s, rec[r].yes, rec[r].no); my.s.head = r
    :: !accepted(r, my.s.head) && flies(me, r) -> reached(own_void, true); put_back_all()
    :: else -> reached(own_repeat, r == my.s.head && my.role == LEADS)
    fi
}
inline read_on() { /* Count records, but a follower reads all that there is. */
    do
    :: len(unread[me]) > 0 && (count > 0 || my.role == FOLLOWS) ->
        count = (count > 0 -> count - 1 : 0); unread[me]?r; fold()
    :: else -> break
    od;
    must(put_back, my.role != FOLLOWS || same(my.s, chain))
}
inline step_down() { put_back_all(); count = 0; read_on() }
inline report() {
    first = front; read_on();
    if :: front == first -> step_down() :: else -> reached(found_by_reading, my.role == LEADS) fi
}
inline send(leader) {
    held = held | on(x); rec[x].leads = leader;
    my.flight[my.flying] = x; my.before[my.flying] = my.s.holder; my.flying++
}
inline append(command, leader) {
    x = OWN(me);
    do :: held & on(x) -> x++ :: else -> break od;
    rec[x].prev = (my.flying -> my.flight[my.flying - 1] : my.s.head);
    rec[x].yes = command; rec[x].no = my.unsaid; my.unsaid = 0;
    send(leader)
}
inline accept(c) {
    for (i : OWN(0) .. LAST) { reached(decided_again, rec[i].yes == c) }
    append(c, 0); evolve(my.s, c, 0)
}
inline refuse(c) {
    my.unsaid = my.unsaid | the(c); my.s.no = my.s.no | the(c);
    if :: DEFECT == early_no -> tell(0, the(c)) :: else fi
}
inline land() { /* Followers read at once; leaders lag, and foreign void records are all one. */
    if
    :: accepted(x, chain.head) ->
        must(decided_once, !((the(rec[x].yes) | rec[x].no) & (chain.yes | chain.no)));
        must(seat_sold_once, !rec[x].yes || !refused(chain, rec[x].yes));
        reached(late_landing, rec[x].yes && !flies(0, x) && !flies(1, x));
        evolve(chain, rec[x].yes, rec[x].no); chain.head = x; tell(the(rec[x].yes), rec[x].no);
        reached(still_refused, !chain.holder && (chain.no & 3))
    :: else
    fi;
    for (k : 0 .. 1) {
        if
        :: node[k].role == FOLLOWS -> node[k].s.head = chain.head; node[k].s.yes = chain.yes;
            node[k].s.no = chain.no; node[k].s.holder = chain.holder
        :: else -> r = (x == chain.head || flies(k, x) -> x : VOID); unread[k]!r
        fi
    }
}
inline sweep() { /* Held: what descends from the head, heads, flights, what is unread. */
    held = on(chain.head);
    for (k : 1 .. 2) { /* Two in flight: no deeper. */
        for (i : OWN(0) .. LAST) { held = held | (held & on(rec[i].prev) -> on(i) : 0) }
    }
    held = held | on(VOID) | on(node[0].s.head) | on(node[0].flight[0]) | on(node[0].flight[1]) |
        on(node[1].s.head) | on(node[1].flight[0]) | on(node[1].flight[1]);
    for (i : GENESIS .. LAST) {
        held = held | (unread[0]??[eval(i)] || unread[1]??[eval(i)] -> on(i) : 0)
    }
    for (i : GENESIS .. LAST) {
        rec[i].prev = (held & on(i) && held & on(rec[i].prev) -> rec[i].prev : 0);
        if :: !(held & on(i)) -> rec[i].yes = 0; rec[i].no = 0; rec[i].leads = 0 :: else fi
    }
    skip
}
#define CONTIGUOUS  unread[me]?[eval(front)] || DEFECT == unchecked_ack && unread[me]??[eval(front)]
#define new(c)       (my.role == LEADS && !((my.s.yes | my.s.no) & the(c)))
#define old_bid(x)   (my.role == FOLLOWS && rec[x].leads && rec[x].prev == chain.head)
#define BID_AGAIN(n) :: d_step { old_bid(OWN(me) + n) -> x = OWN(me) + n; send(1); my.role = BIDS }
#define ASKED(c)     :: d_step { new(c) && refused(my.s, c) -> refuse(c) } \
                     :: d_step { new(c) && !refused(my.s, c) && room -> accept(c) }
#define heard        (len(unread[0]) < LAG && len(unread[1]) < LAG)
#define LANDS(n)     :: d_step { held & on(n) && heard -> x = n; land(); sweep() }
proctype Member(byte me) {
end:do
    :: d_step { my.role == FOLLOWS && room -> append(0, 1); my.role = BIDS }
    BID_AGAIN(0) BID_AGAIN(1) BID_AGAIN(2)
    ASKED(1) ASKED(2) ASKED(CANCEL)
    :: d_step { my.role == LEADS && my.unsaid && !my.flying && room -> append(0, 0) }
    :: d_step { my.flying && (CONTIGUOUS) -> unread[me]??eval(front); confirm(); sweep() }
    :: d_step { my.flying && LAG > 2 -> count = 2; report(); sweep() } /* A higher offset. */
    :: d_step { my.flying -> count = LAG; report(); sweep() } /* Lower, negative, beyond the end. */
    :: d_step { my.role != FOLLOWS && len(unread[me]) > 0 -> count = LAG; read_on(); sweep() }
    :: d_step { my.role != FOLLOWS -> step_down(); sweep() } /* A failed delivery, a crash. */
    od
}
proctype Log() {
end:do LANDS(0) LANDS(1) LANDS(2) LANDS(3) LANDS(4) LANDS(5) LANDS(6) LANDS(7) od
}
init {
    chain.head = GENESIS;
    for (i : 0 .. 1) { node[i].role = FOLLOWS; node[i].s.head = GENESIS }
    atomic { run Member(0); run Member(1); run Log() }
}
