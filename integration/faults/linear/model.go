package main

import "strings"

// The clerk: what may come of each operation, by docs/booking.md. A seat that comes free is offered at once to who is first, since
// that is written before anything else about the slot is decided.

const (
	slotsMax    = 3
	studentsMax = 16
	someSeat    = -1 // Of a booking whose answer nobody saw.
)

// What a student has in a slot, or had last.
const (
	nothing = iota
	held
	booked
	waiting
	offered
	cancelled
	left
	declined
)

// seat is a student's newest reservation in a slot.
type seat struct {
	phase       uint8
	byOffer     bool
	reservation int16
	priority    int16
	turn        int16 // Among those who wait.
}

type slot struct {
	seats       [studentsMax]seat
	capacity    int16
	isClosed    bool
	isCancelled bool
	forfeited   uint16 // Students who gave back a seat that they had been offered, as bits.
}

type exam struct {
	slots [slotsMax]slot
	moved uint16 // Students who left a seat that they had been offered for another slot.
}

// input is an operation with slots, students and reservations as numbers.
type input struct {
	kind        string
	slot        int
	to          int
	student     int
	reservation int16
	capacity    int16
	priority    int16
}

func (s seat) isLive() bool  { return s.phase == held || s.phase == booked }
func (s seat) hasSeat() bool { return s.isLive() || s.phase == offered }
func (s seat) isOpen() bool  { return s.hasSeat() || s.phase == waiting }

func (s *slot) taken() int16 {
	count := int16(0)
	for _, seat := range s.seats {
		if seat.hasSeat() {
			count++
		}
	}
	return count
}

// first gives the student who is next to be offered a seat, and whoever joins next is given turn; -1: nobody waits.
func (s *slot) first() (student int, turn int16) {
	student = -1
	for i, seat := range s.seats {
		if seat.phase != waiting {
			continue
		}
		if seat.turn >= turn {
			turn = seat.turn + 1
		}
		if student < 0 || seat.priority > s.seats[student].priority ||
			seat.priority == s.seats[student].priority && seat.turn < s.seats[student].turn {
			student = i
		}
	}
	return student, turn
}

// offer gives free seats to those who wait.
func (s *slot) offer() {
	for !s.isClosed && !s.isCancelled && s.taken() < s.capacity {
		student, _ := s.first()
		if student < 0 {
			return
		}
		s.seats[student].phase = offered
	}
}

// step gives every state that the exam may be in after the operation had this answer; none: it cannot have had it.
func step(was exam, op input, result string) []interface{} {
	right, after := decide(was, op)
	for i := range after.slots {
		after.slots[i].offer()
	}
	switch {
	case result == "" && after == was:
		return []interface{}{was}
	case result == "":
		return []interface{}{was, after}
	case fits(right, result):
		return []interface{}{after}
	}
	return nil
}

// fits says whether a result is what is right, or one of several that are, with a bar between them.
func fits(right, result string) bool {
	for _, one := range strings.Split(right, "|") {
		if one == result {
			return true
		}
	}
	return false
}

func decide(was exam, op input) (string, exam) {
	switch op.kind {
	case "slot-reservations":
		return begin(was, op, booked)
	case "slot-holds":
		return begin(was, op, held)
	case "slot-waitlist":
		return join(was, op)
	case "slot-change-capacity", "slot-close", "slot-cancel":
		return change(was, op)
	}
	return about(was, op)
}

// mayHave says whether a student may have a seat in a slot, in place of the one that they have in `except`, or -1.
func mayHave(was *exam, op input, at, except int) string {
	slot := &was.slots[at]
	switch {
	case slot.isCancelled:
		return "slot-cancelled"
	case slot.isClosed:
		return "slot-closed"
	case slot.seats[op.student].isOpen():
		return "already-booked"
	}
	for i := range was.slots {
		if i != at && i != except && was.slots[i].seats[op.student].isLive() {
			return "exam-already-booked"
		}
	}
	if first, _ := slot.first(); first >= 0 {
		return "slot-awaited"
	}
	if slot.taken() >= slot.capacity {
		return "slot-full"
	}
	return "yes"
}

func begin(was exam, op input, phase uint8) (string, exam) {
	right := mayHave(&was, op, op.slot, -1)
	if right == "yes" {
		was.slots[op.slot].seats[op.student] = seat{phase: phase, reservation: op.reservation}
	}
	return right, was
}

func join(was exam, op input) (string, exam) {
	slot := &was.slots[op.slot]
	first, turn := slot.first()
	bit := uint16(1) << op.student
	switch {
	case slot.isCancelled:
		return "slot-cancelled", was
	case slot.isClosed:
		return "slot-closed", was
	case slot.seats[op.student].isOpen():
		return "already-booked", was
	case (slot.forfeited|was.moved)&bit != 0:
		return "not-entitled", was
	case first < 0 && slot.taken() < slot.capacity:
		return "seats-are-free", was
	}
	slot.seats[op.student] = seat{phase: waiting, reservation: op.reservation, turn: turn}
	return "yes", was
}

// change is the office's, of a whole slot.
func change(was exam, op input) (string, exam) {
	slot := &was.slots[op.slot]
	switch {
	case op.kind == "slot-cancel":
		slot.isCancelled = true
		for i := range slot.seats {
			if slot.seats[i].isOpen() {
				slot.seats[i] = seat{phase: cancelled, reservation: slot.seats[i].reservation}
			}
		}
	case slot.isCancelled:
		return "slot-cancelled", was
	case op.kind == "slot-close":
		slot.isClosed = true
	case op.capacity < slot.taken():
		return "capacity-below-taken", was
	default:
		slot.capacity = op.capacity
	}
	return "yes", was
}

// about is what is asked about a reservation. One that has ended, and is not the newest in its slot, is known by nothing but that.
func about(was exam, op input) (string, exam) {
	at := -1
	for i := range was.slots {
		if was.slots[i].seats[op.student].reservation == op.reservation {
			at = i
		}
	}
	if at < 0 {
		return ofEnded(op), was
	}
	slot, bit := &was.slots[at], uint16(1)<<op.student
	has := &slot.seats[op.student]
	switch op.kind {
	case "confirm-hold":
		if !has.isLive() {
			return "reservation-not-live", was
		}
		has.phase = booked
	case "cancel":
		if !has.isLive() {
			return "reservation-not-live", was
		}
		if has.byOffer {
			slot.forfeited |= bit
		}
		has.phase = cancelled
	case "cancel-by-staff":
		if !has.isOpen() && has.phase != cancelled {
			return "reservation-over", was
		}
		has.phase = cancelled
	case "prioritise":
		if has.phase != waiting {
			return "not-waiting", was
		}
		has.priority = op.priority
	case "leave-waitlist":
		if has.phase != waiting && has.phase != left {
			return "not-waiting", was
		}
		has.phase = left
	case "decline-offer":
		if has.phase != offered && has.phase != declined {
			return "not-offered", was
		}
		has.phase = declined
	case "accept-offer":
		return accept(was, op, at)
	case "reschedule":
		return move(was, op, at)
	default:
		return "no such operation", was
	}
	return "yes", was
}

func accept(was exam, op input, at int) (string, exam) {
	has := &was.slots[at].seats[op.student]
	if has.phase == booked {
		return "yes", was
	}
	if has.phase != offered {
		return "not-offered", was
	}
	for i := range was.slots {
		if i != at && was.slots[i].seats[op.student].isLive() {
			return "exam-already-booked", was
		}
	}
	has.phase, has.byOffer = booked, true
	return "yes", was
}

func move(was exam, op input, at int) (string, exam) {
	has := &was.slots[at].seats[op.student]
	if has.phase != booked {
		return "reservation-not-booked", was
	}
	if op.to == at {
		return "yes", was
	}
	right := mayHave(&was, op, op.to, at)
	if right != "yes" {
		return right, was
	}
	if has.byOffer {
		was.moved |= 1 << op.student
	}
	was.slots[op.to].seats[op.student] = *has
	*has = seat{}
	return "yes", was
}

// ofEnded gives the answers that an ended reservation may have, of which we do not know any more how it ended.
func ofEnded(op input) string {
	return map[string]string{
		"confirm-hold": "reservation-not-live", "cancel": "reservation-not-live", "cancel-by-staff": "yes|reservation-over",
		"prioritise": "not-waiting", "leave-waitlist": "yes|not-waiting", "decline-offer": "yes|not-offered",
		"accept-offer": "not-offered", "reschedule": "reservation-not-booked",
	}[op.kind]
}
