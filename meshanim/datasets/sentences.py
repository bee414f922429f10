"""What the made speech says: GRID's grammar, and sentences that hold all sounds of English.

GRID's sentences (Cooke et al. 2006) are a command, a colour, a preposition, a letter, a digit and an adverb.
The others were written for this corpus. Both are split by sentence: what the test set says is said nowhere
else.
"""

from __future__ import annotations

import torch

from meshanim._check import check_choice

GRID: tuple[tuple[str, ...], ...] = (
    ("bin", "lay", "place", "set"),
    ("blue", "green", "red", "white"),
    ("at", "by", "in", "with"),
    tuple("ABCDEFGHIJKLMNOPQRSTUVXYZ"),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)
"""The words of each place; W has three syllables and is left out, as in GRID."""

SENTENCES: tuple[str, ...] = (
    "My mother bought a paper lamp for the baby's room.",
    "Five brave foxes followed the river to its mouth.",
    "The judge measured the orange garage with a wooden ruler.",
    "Please push the blue boat out of the muddy pool.",
    "She showed us a short film about ships and sharks.",
    "Both brothers breathed the thin mountain air.",
    "Who would choose a new shoe that is too loose?",
    "A yellow canary sang beyond the open window.",
    "The king's long finger pointed at the singing bird.",
    "We were away when the whistle woke the whole village.",
    "Charles reached the church just after lunch.",
    "The vision of a treasure gave him much pleasure.",
    "Our tired farmer found a flower by the tower.",
    "Bob hopes that Pam will bring home a map.",
    "The boy enjoys the noise of coins and toys.",
    "Her first bird learned to turn in the dirt.",
    "Papa put pepper on the purple plums.",
    "Mum's summer jam comes from a humble plum.",
    "A calm father parked the large car in the yard.",
    "Those clothes were bathed in smooth weather.",
    "The thief thought that nothing was worth the oath.",
    "Sue chose a juicy pear and a huge peach.",
    "Fred's wife gave half of the loaf to a wolf.",
    "The zoo keeper was amused by seven lazy zebras.",
    "He hid behind the house and held his hat.",
    "Kate cooked a cake and kept the crumbs.",
    "A good cook took the book that stood in the nook.",
    "I might buy nine white tiles if the price is right.",
    "How loud is the crowd in the brown town house?",
    "Go slowly over the frozen road alone.",
    "Eight great trains raced through the rain to Spain.",
    "Three deep green seas meet beneath the eastern reef.",
    "The tall daughter walked on all four boards.",
    "Ten men sent red letters to their best friends.",
    "Six little pigs sit in the middle of the ring.",
    "Dad had a black cat that sat on flat sand.",
    "A small dog got lost on the rocky top.",
    "Near here, a clear beer costs less each year.",
    "The fair mare was scared of the bare stairs.",
    "Poor tourists toured the moor in pure luxury.",
    "The bumpy bus became a problem for my uncle.",
    "Move the marble table to the middle of the room.",
    "Peter promised to mop up the apple pulp.",
    "Maybe Emma mumbled because her mouth was numb.",
    "Abby rubbed the cabin's lobby with a rubber mop.",
    "The camp's old pump dripped on a damp lamp.",
    "Never leave a fever to drive itself away.",
    "Vera's velvet glove fell off the very first shelf.",
    "Phil found a fluffy puffin on the cliff of fife.",
    "Love and laughter filled the vast valley for a while.",
    "Watch out, the witch wants one of our watches.",
    "Quick queens quietly quit the square.",
    "You used to play a tune on that unusual flute.",
    "Young people queue for fresh yogurt on Tuesday.",
    "The strange danger changed my judgement of the bridge.",
    "Teach each child to catch a ball and not to scratch.",
    "Sheep should not sleep in a cheap ship.",
    "A fish wished to wash in the shadow of a bush.",
    "The collision on the beige carpet was no illusion.",
    "Is this his prize, or does it belong to these cousins?",
    "Simple songs sound nice on silver strings.",
    "Nobody knew when the nurse had phoned the neighbour.",
    "Lily will fill the little bottle with yellow oil.",
    "Rory's rare parrot ran around the rural barn.",
    "The doctor told Daddy to drink a hot toddy.",
    "Tim's tent is too tight for twenty tall students.",
    "Big dogs dig and beg when they get a bag.",
    "Give the goat a golden egg and let it go.",
    "The clock struck six as Jack packed his black sack.",
    "A young monk sank the trunk along the bank.",
    "Think of something pink, and bring it in a string bag.",
    "Come home before the moon climbs above the farm.",
    "What a pity that the butter melted in the bottom pot.",
    "The museum opens at half past eleven on Mondays.",
    "Have you ever heard a hedgehog hum a hymn?",
    "It rained on the plain, but the plane flew on.",
    "The voice on the phone was warm and familiar.",
    "Bring both bowls back before the broth boils.",
    "Grandma warmed her palms on a mug of tea.",
    "The photographer framed a family by the fountain.",
    "Open the map and mark a path over the pass.",
    "A bee buzzed by the big bowl of berries.",
    "Some nimble monkeys jump from limb to limb.",
    "The plumber's thumb was trapped in the pipe.",
    "Wake up, the coffee pot is about to boil over.",
    "He laughed at the rough draft and coughed.",
    "The shepherd's vest was made of very soft wool.",
    "Two blue balloons flew over the school roof.",
    "Could the wolf pull the sugar from the bush?",
    "I heard that the earth turns further each term.",
    "The author owed more than he ought to.",
    "Down south, the mouth of the cave is round.",
    "The royal oyster spoiled in boiling oil.",
    "They say the day may be grey, but we sail today.",
    "My mild child smiled for a while at the tiger.",
    "The ghost rode a pony close to the snowy coast.",
    "Patrick filled the boxes with jugs of plum jam.",
    "Beavers build bridges of branches and mud.",
    "The pale moon made the pond seem deep and empty.",
    "A map of Bombay hangs above my uncle's piano.",
    "Every evening, the old miller fed the pigeons.",
    "Put the puppy back in the box, if you please.",
    "The mayor of the town wore a heavy chain.",
    "My aunt ordered half a dozen ripe tomatoes.",
    "A sudden breeze blew the papers off the desk.",
    "Please remember to bump the drum only twice.",
    "The vet gave the calf a bath after breakfast.",
    "Few people believe that the river once froze.",
    "They marched to the pier with pipes and drums.",
    "I am happy to mop the whole apartment myself.",
    "The boss allowed everybody to stop at five.",
    "An empty bottle bobbed on the foamy water.",
    "The nursery was quiet except for a ticking clock.",
    "Her father's garden smelled of thyme and mint.",
    "We measured the casual visitor's decision with care.",
    "George imagined a giant ginger jar.",
    "This path leads neither north nor south.",
    "The cheerful teacher chose a cherry from the kitchen.",
    "Hungry hikers hurried up the hill behind us.",
    "A lonely lamp lit the long and narrow lane.",
    "You may borrow my umbrella, but bring it back.",
    "The farm's fat goose chased a fox from the fence.",
    "Many small drops make a mighty ocean.",
    "The weather in November is never very warm.",
    "I should have put more jam in the middle of the bun.",
    "Ask the pilot whether the fog will lift by noon.",
)

_TEST_EVERY, _VALIDATION_EVERY = 6, 12


def sentences(split: str) -> tuple[str, ...]:
    """The written sentences of a split: every sixth is the test set's, every twelfth the validation set's."""
    check_choice("split", split, ("train", "validation", "test"))
    return tuple(sentence for place, sentence in enumerate(SENTENCES) if _split(place) == split)


def grid_sentence(split: str, generator: torch.Generator) -> str:
    """A sentence of GRID's grammar that is in a split, which the sum of its words' places decides."""
    check_choice("split", split, ("train", "validation", "test"))
    while True:
        places = [int(torch.randint(len(words), (1,), generator=generator)) for words in GRID]
        if _split(sum(places)) == split:
            return " ".join(words[place] for words, place in zip(GRID, places, strict=True)) + "."


def _split(number: int) -> str:
    if number % _TEST_EVERY == 0:
        return "test"
    return "validation" if number % _VALIDATION_EVERY == 1 else "train"
