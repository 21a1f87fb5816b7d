// linear reads what clients did to slots, and says for each slot whether the answers are linearizable: whether they could have
// been given by one clerk who serves one request after the other, each between its sending and its answer.
//
//	linear FILE      one operation a line, as integration/faults/linear.py writes them
//
// It prints one JSON object. Exit 0: every slot is linearizable; 1: some slot is not, or was not decided in time; 2: bad input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	studentsMax   = 16
	operationsMax = 2000
	slotSeconds   = 60
	someSeat      = -1 // Of a booking whose answer nobody saw.
)

// operation is one command of one student, from its first sending to its answer.
type operation struct {
	Slot        string `json:"slot"`
	Capacity    int    `json:"capacity"`
	Student     string `json:"student"`
	Kind        string `json:"kind"`        // reserve, cancel
	Reservation string `json:"reservation"` // What is cancelled; what was booked.
	CallNs      int64  `json:"call_ns"`
	ReturnNs    int64  `json:"return_ns"` // 0: no answer ever came.
	Result      string `json:"result"`    // yes, a problem's name, or empty: not known.
}

// input is an operation with students and reservations as numbers.
type input struct {
	kind        string
	student     int
	reservation int
	capacity    int
}

// seats holds which reservation each student has: 0 none.
type seats [studentsMax]int

func (s seats) taken() int {
	count := 0
	for _, reservation := range s {
		if reservation != 0 {
			count++
		}
	}
	return count
}

func (s seats) with(student, reservation int) seats {
	s[student] = reservation
	return s
}

func holds(held, reservation int) bool {
	return held == reservation && held != 0
}

// step gives every state that the slot may be in after the operation had this answer; none: it cannot have had it.
func step(state, in, out interface{}) []interface{} {
	was, op, result := state.(seats), in.(input), out.(string)
	held := was[op.student]
	free := was.taken() < op.capacity
	if op.kind == "reserve" {
		return reserve(was, op, result, held, free)
	}
	switch {
	case result == "yes" && holds(held, op.reservation):
		return []interface{}{was.with(op.student, 0)}
	case result == "reservation-not-live" && !holds(held, op.reservation):
		return []interface{}{was}
	case result == "" && holds(held, op.reservation):
		return []interface{}{was, was.with(op.student, 0)}
	case result == "":
		return []interface{}{was}
	}
	return nil
}

func reserve(was seats, op input, result string, held int, free bool) []interface{} {
	switch {
	case result == "yes" && held == 0 && free:
		return []interface{}{was.with(op.student, op.reservation)}
	case result == "already-booked" && held != 0, result == "slot-full" && held == 0 && !free:
		return []interface{}{was}
	case result == "" && held == 0 && free:
		return []interface{}{was, was.with(op.student, someSeat)}
	case result == "":
		return []interface{}{was}
	}
	return nil
}

var model = porcupine.NondeterministicModel{
	Init: func() []interface{} { return []interface{}{seats{}} },
	Step: step,
	DescribeOperation: func(in, out interface{}) string {
		op := in.(input)
		return fmt.Sprintf("student %d: %s %d -> %q", op.student, op.kind, op.reservation, out)
	},
}

// history is what happened to one slot.
type history struct {
	operations   []porcupine.Operation
	students     map[string]int
	reservations map[string]int
	unknown      int
}

func number(numbers map[string]int, name string) int {
	if name == "" {
		return someSeat
	}
	if _, known := numbers[name]; !known {
		numbers[name] = len(numbers) + 1
	}
	return numbers[name]
}

func (h *history) add(op operation, last int64) {
	if op.ReturnNs == 0 { // It may still happen.
		op.ReturnNs = last + 1
		h.unknown++
	}
	student := number(h.students, op.Student) - 1
	h.operations = append(h.operations, porcupine.Operation{
		ClientId: student,
		Input:    input{op.Kind, student, number(h.reservations, op.Reservation), op.Capacity},
		Call:     op.CallNs,
		Output:   op.Result,
		Return:   op.ReturnNs,
	})
}

func read(path string) (map[string]*history, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []operation
	var last int64
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var op operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		for _, at := range []int64{op.CallNs, op.ReturnNs} {
			if at > last {
				last = at
			}
		}
		all = append(all, op)
	}
	histories := map[string]*history{}
	for _, op := range all {
		if histories[op.Slot] == nil {
			histories[op.Slot] = &history{students: map[string]int{}, reservations: map[string]int{}}
		}
		h := histories[op.Slot]
		if _, known := h.students[op.Student]; !known && len(h.students) == studentsMax {
			return nil, fmt.Errorf("slot %s has more than %d students", op.Slot, studentsMax)
		}
		if len(h.operations) == operationsMax {
			return nil, fmt.Errorf("slot %s has more than %d operations", op.Slot, operationsMax)
		}
		h.add(op, last)
	}
	return histories, lines.Err()
}

type report struct {
	Slots      int      `json:"slots"`
	Operations int      `json:"operations"`
	Unknown    int      `json:"unknown"`  // Operations without an answer.
	Violated   []string `json:"violated"` // Slots.
	Undecided  []string `json:"undecided"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "linear FILE")
		os.Exit(2)
	}
	histories, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "linear:", err)
		os.Exit(2)
	}
	said := report{Slots: len(histories), Violated: []string{}, Undecided: []string{}}
	for slot, h := range histories {
		said.Operations += len(h.operations)
		said.Unknown += h.unknown
		switch porcupine.CheckOperationsTimeout(model.ToModel(), h.operations, slotSeconds*time.Second) {
		case porcupine.Illegal:
			said.Violated = append(said.Violated, slot)
		case porcupine.Unknown:
			said.Undecided = append(said.Undecided, slot)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		os.Exit(2)
	}
	if len(said.Violated)+len(said.Undecided) > 0 {
		os.Exit(1)
	}
}
