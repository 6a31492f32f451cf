"""How a pen writes the ten digits: the glyph table of the stroke digits.

Each digit has several variants, as people differ in how they write it: a one with or without a
foot, a four open or closed, a seven with or without a bar. A variant is a text of strokes, split
by ``|``; a stroke is a list of control points ``x,y``, x to the right and y downwards in a box of
100 units. `ae_numpy.datasets.handwriting` turns a stroke into a cubic B-spline: a smooth curve
that begins and ends at its outer points and is drawn towards those between. A sharp corner is
written as two strokes that meet. Equal points of a variant are one control point, so strokes that
meet still meet after the points have been moved.
"""

# digit -> its variants, each (share, strokes); shares are relative within the digit.
GLYPHS: dict[int, tuple[tuple[int, str], ...]] = {
    0: (
        # closed oval, from the top, anticlockwise
        (4, "52,0 24,10 8,50 22,90 50,102 78,90 92,50 78,10 52,0"),
        # ends run past each other, the last one curling inwards
        (4, "66,8 32,2 6,38 12,82 42,104 78,88 94,52 82,14 50,-2 34,22"),
        # gap at the top right
        (2, "68,6 38,-2 10,25 4,66 28,98 62,98 92,68 94,36 84,16"),
        # clockwise from the left shoulder
        (2, "28,26 58,-2 88,24 94,62 70,100 34,100 8,72 12,34 36,8 70,4"),
        # narrow
        (3, "56,0 32,14 20,50 28,88 48,102 70,86 80,50 70,12 50,2"),
        # tail thrown to the upper right
        (2, "58,4 24,12 6,54 22,94 54,100 86,80 92,40 72,10 46,6 62,20 92,4"),
    ),
    1: (
        # single stroke: straight, bowed
        (8, "50,0 50,33 50,66 50,100"),
        (3, "56,0 44,30 44,66 52,100"),
        # flag; flag and foot; hooked flag in one stroke; foot alone
        (2, "30,24 54,0 | 54,0 54,50 54,100"),
        (1, "32,22 52,0 | 52,0 52,50 52,98 | 22,98 52,98 84,97"),
        (1, "34,18 48,2 58,4 54,40 50,72 48,100"),
        (1, "52,0 51,50 50,98 | 26,99 50,98 76,97"),
    ),
    2: (
        # hook, straight descent, flat base
        (3, "10,28 22,4 52,-4 82,10 82,36 58,64 10,98 | 10,98 50,97 92,96"),
        # small loop where the descent turns into a wavy base
        (3, "12,26 30,2 62,-2 84,20 76,46 48,78 16,104 0,86 18,70 46,86 72,100 100,88"),
        # like a Z
        (2, "8,8 46,4 84,8 | 84,8 50,50 8,96 | 8,96 50,96 94,94"),
        # wavy base without a loop
        (2, "14,28 28,4 58,-4 82,16 74,42 50,70 12,94 | 12,94 36,84 62,100 96,86"),
        # small head over a wide base
        (2, "20,22 38,0 68,4 72,32 44,66 6,96 | 6,96 52,92 102,98"),
        # wide loop at the lower left
        (3, "14,20 42,-4 78,8 80,36 56,70 24,104 -6,96 -2,66 28,66 52,90 84,100"),
    ),
    3: (
        # two round bows that meet at a point
        (3, "14,16 36,-4 74,4 80,26 58,44 32,46 | 32,46 68,48 90,68 78,94 42,106 8,88"),
        # flat top
        (2, "12,4 48,4 84,4 | 84,4 60,24 38,42 | 38,42 74,44 90,72 66,98 30,104 6,86"),
        # small loop at the waist
        (2, "12,18 34,-4 74,4 80,28 58,48 30,54 26,42 46,38 84,56 88,86 54,106 8,90"),
        # small head, wide belly; wide head, small belly
        (2, "22,10 46,-4 68,10 58,30 32,38 | 32,38 72,38 96,66 76,98 34,104 2,84"),
        (2, "6,18 32,-4 78,2 90,26 68,46 38,52 | 38,52 68,52 82,74 62,100 26,102 12,90"),
        # one stroke throughout
        (2, "10,12 44,-4 86,6 80,30 42,46 70,50 88,70 68,98 34,104 4,94"),
    ),
    4: (
        # open: angular, round, in one sweep
        (4, "16,0 12,28 10,56 | 10,56 50,56 92,52 | 74,4 70,50 66,100"),
        (3, "22,4 8,40 22,62 58,58 82,40 | 86,0 79,48 66,100"),
        (3, "20,4 4,38 26,60 60,48 82,10 | 82,10 73,55 62,100"),
        # closed triangle: upright drawn from its tip, upright apart
        (3, "62,0 34,32 6,64 | 6,64 50,64 96,62 | 62,0 62,50 62,100"),
        (2, "54,2 30,34 6,66 | 6,66 50,64 94,60 | 68,24 64,60 58,100"),
        # leaning
        (3, "30,0 18,32 8,62 | 8,62 52,58 98,52 | 80,14 58,58 36,100"),
    ),
    5: (
        # bar drawn last
        (3, "26,4 20,24 18,44 | 18,44 48,32 84,46 90,76 62,102 8,92 | 26,4 56,4 90,2"),
        # bar drawn first, in the same line
        (3, "88,4 56,4 26,6 | 26,6 22,26 18,46 | 18,46 52,34 88,52 86,84 48,104 8,90"),
        # like an S
        (3, "90,6 54,-4 20,8 16,36 46,48 82,58 84,86 48,104 6,90"),
        # bar set apart; long bar over a small belly
        (2, "30,12 24,30 20,48 | 20,48 48,38 82,56 80,88 42,104 6,94 | 36,8 64,6 98,0"),
        (2, "34,16 28,34 22,52 | 22,52 50,42 72,60 66,88 36,102 4,92 | 34,16 66,10 108,0"),
        # narrow S with a hook at the end
        (2, "78,2 38,2 24,28 50,44 74,60 68,90 34,106 6,92 20,78"),
    ),
    6: (
        # bowed back, round belly; straight back, small belly
        (3, "64,0 30,20 10,54 14,90 48,104 80,86 78,58 48,48 22,64 14,80"),
        (3, "44,0 24,32 12,70 24,100 58,102 78,80 66,56 36,56 18,78"),
        # wide, with the end curling inwards
        (3, "78,4 40,8 14,40 6,78 34,106 74,96 86,68 60,46 28,60 26,86"),
        # leaning; flat belly that crosses the back; belly left open
        (3, "84,0 48,22 18,54 8,88 36,106 68,90 76,64 50,54 22,76"),
        (2, "36,0 18,28 6,64 16,98 54,104 92,84 86,54 50,50 26,72 32,96"),
        (1, "60,0 30,24 10,58 18,94 52,104 80,88 80,64 58,54 40,60"),
    ),
    7: (
        # plain; with a bar
        (4, "6,8 46,4 88,4 | 88,4 64,46 42,100"),
        (2, "8,8 46,4 86,4 | 86,4 64,46 44,100 | 28,52 56,50 86,46"),
        # serif at the left; round shoulder; wavy top
        (3, "12,26 10,8 | 10,8 48,4 88,4 | 88,4 62,48 50,100"),
        (3, "8,14 40,0 88,-4 88,20 66,52 54,100"),
        (3, "6,20 18,2 50,12 88,2 | 88,2 60,46 36,100"),
        # serif and bar
        (1, "10,26 8,6 | 8,6 48,4 88,4 | 88,4 66,44 48,100 | 30,54 58,50 90,48"),
    ),
    8: (
        # one crossing stroke, closed at the top
        (4, "78,14 50,-6 18,12 28,40 66,56 88,82 54,108 14,86 26,58 66,38 78,14"),
        # two rings
        (1, "50,0 20,6 22,38 50,46 80,36 78,6 50,0 | 50,46 10,56 12,94 50,104 90,92 88,56 50,46"),
        # open at the top, the end running on to the right
        (3, "86,8 54,-4 18,14 30,44 68,58 86,84 50,108 12,86 30,56 66,34 92,4"),
        # narrow, begun at the waist
        (3, "30,36 18,6 52,-6 78,16 60,40 30,56 16,84 46,106 78,84 62,58 30,36"),
        # small ring over a wide one, ends that do not meet
        (2, "62,48 26,38 22,6 58,-6 86,14 70,40 32,58 8,86 42,108 80,92 82,60 42,38"),
        # begun at the upper right, gap below the start
        (2, "80,8 46,-6 18,16 36,42 70,58 84,86 46,108 14,86 32,56 60,42 72,28"),
    ),
    9: (
        # closed ring, straight stem
        (3, "82,14 48,-4 10,14 8,44 44,56 76,34 82,14 | 82,14 76,56 70,100"),
        # stem curling to the left
        (2, "78,12 44,-4 10,18 12,48 46,56 74,30 78,12 | 78,12 84,60 66,98 20,94"),
        # one stroke throughout
        (3, "76,22 50,-4 14,10 6,44 38,58 70,36 78,4 74,50 64,100"),
        # leaning; ring left open at the top
        (3, "80,14 52,-2 16,18 14,44 48,56 80,14 | 80,14 58,56 34,100"),
        (2, "58,2 30,2 4,28 18,56 56,52 80,12 | 80,12 76,58 62,100"),
        # small ring on a long stem
        (2, "66,26 58,0 26,0 10,30 30,54 60,42 66,10 | 66,10 65,56 56,100"),
    ),
}
