"""English words of a chat."""

from __future__ import annotations

from .lexicon import Lexicon, PriceWords, SentenceWords, word_set

_DIGITS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90, "hundred": 100, "thousand": 1000,
}  # fmt: skip
_WORD = "(?:" + "|".join(sorted(_DIGITS, key=len, reverse=True)) + r")\b"
_NUMBER = rf"(?:\d[\d,]*(?:\.\d+)?k?\b|\.\d+\b|\ba (?=hundred|thousand)(?:{_WORD})(?:[ -](?:and )?{_WORD})*"
_NUMBER += rf"|\b{_WORD}(?:[ -](?:and )?{_WORD})*)"
_NO_AMOUNT = rf"(?! ?than\b)(?!\s*(?:us\$|[$€£¥₹])?\s*{_NUMBER})"
"""Not before "than" or an amount: in "under 5 and over 10" the word "over" belongs to the 10."""
# Each text matches in one way only: a repeated pattern with several would take too long for a long turn.
_PRAISE = (
    r"(?:(?:that|this|it|you|they|these|those)(?:'s| is|'re| are| was| looks?| sounds?) )?"
    r"(?:(?:really|very|so|just) )?"
    r"(?:great|good|perfect|lovely|nice|wonderful|excellent|awesome|helpful|enough"
    r"|(?:what|all) i (?:need|want)(?:ed)?)"
)

PRICES = PriceWords(
    number=_NUMBER,
    digits=_DIGITS,
    currencies={
        "us$": "USD", "us dollars": "USD", "us dollar": "USD", "dollars": "USD", "dollar": "USD", "bucks": "USD",
        "buck": "USD", "usd": "USD", "$": "USD", "euros": "EUR", "euro": "EUR", "eur": "EUR", "€": "EUR",
        "pounds": "GBP", "pound": "GBP", "quid": "GBP", "gbp": "GBP", "£": "GBP", "yuan": "CNY", "rmb": "CNY",
        "cny": "CNY", "yen": "JPY", "jpy": "JPY", "¥": "CNY", "rupees": "INR", "inr": "INR", "₹": "INR",
    },
    hundredths={"cents": 0.01, "cent": 0.01, "pence": 0.01},
    below=r"under|below|less than|lower than|cheaper than|for less than|beneath|<",
    at_most=r"up to|at most|at the most|no more than|not more than|not over|not above|not exceeding|no higher than"
    r"|does not exceed|should not exceed|must not exceed|max(?:imum)?(?: price)?(?: is| of|:)?|within|no pricier than"
    r"|(?:my )?(?:budget|limit)(?: is| of|:)?(?: up to| at most| around| about)?|<=|≤|i have(?: only)?|i can spend"
    r"|i can pay|(?:willing|want) to (?:spend|pay)|spend(?:ing)?(?: up to| at most)?"
    r"|(?:cap(?:ped)?|limit(?:ed)?)(?: it| this| that| the price)? (?:at|to)"
    r"|not beyond",
    above=r"over|above|past|beyond|exceeding|more than|higher than|pricier than|>",
    at_least=r"at least|at the least|no less than|not less than|not under|not below|min(?:imum)?(?: price)?"
    r"(?: is| of|:)?|start(?:s|ing)? (?:at|from)|>=|≥|upwards of",
    negative=r"[-−–](?=[\d.$€£¥])|minus\b|negative\b",
    refused=r"(?: (?:is|are|would be|'s))? (?:too (?:much|expensive|dear)|out of the question|not an option|a no-?go)",
    negated=r"(?:don't|do not|dont|wouldn't|would not|won't|never) \w+ (?:anything|things?|stuff|items?|products?"
    r"|ones?)(?: (?:that (?:is|are|costs?)|priced|costing))?|not an? (?:single )?(?:cent|penny|dime|dollar|buck)"
    r"|(?:not|nothing|no|never|don't|dont|can't|cannot|won't|mustn't|shouldn't|without|isn't)(?: (?:want"
    r"|wants|to|pay|spend|go"
    r"|going|be|being|cost|costing|anything|it|a cent|a penny|a dime|a dollar"
    r"|priced|is|really|that|costs|have|getting|get|ever))*",
    around=r"around|about|roughly|approximately|approx\.?|near|~",
    or_less=rf"or (?:less|lower|cheaper){_NO_AMOUNT}|and less{_NO_AMOUNT}"
    r"|max(?:imum)?\b|at most|at the most|tops\b|or so at most",
    or_below=rf"(?:or|and) (?:under|below){_NO_AMOUNT}",
    or_more=rf"at least|at the (?:very )?least|(?:or|and) (?:more|above|over){_NO_AMOUNT}|or higher{_NO_AMOUNT}"
    r"|or upwards?|(?:and )?up\b(?! to)|upwards|minimum|\+",
    or_so=r"or so\b|or thereabouts|roughly",
    compared=r"",
    cheaper=r"",
    dearer=r"",
    between=r"between|from|in the range of|ranging from",
    to=r"up to|and|to|-|–|—|~|through|till|until",
    range_end=r"",
    bare_after=r"",
    about=r"\b(?:prices?|priced|budget|costs?|costing|pay|spend)\b",
    after=r"$|[^\w\s%\"'°]|(?:or|and|but|please|for|with|without|in|on|at|it|this|them|from|that|thanks|thank|if|is"
    r"|as|though|no|not|i|the"
    r"|a|an"
    r"|only|per|each|total|altogether|max|maximum|which|because|so|instead|now|by|from|then|too)\b",
)  # fmt: skip

STOP = word_set(
    """
    a an the this that these those it its they them their there here i me my mine we us our you your he she his her
    is are was were be been being am do does did done have has had having can could would will shall should may might
    must of in on at to for from by with as into onto about over under up down out off than then so such and or but
    if because while when where what which who whom whose why how please thanks thank hi hello hey good morning
    evening afternoon ok okay yes yeah yep sure well um uh let lets want wants wanted need needs needed look looks
    looking search searching find finding found show shows showing see buy buys buying purchase get gets getting give
    gives giving like likes love prefer recommend recommendation recommendations suggest suggestion suggestions
    something anything nothing thing things item items product products stuff one ones some any all every each few
    lot lots many much more most other others another else kind kinds sort sorts type types category categories brand
    brands price prices priced cost costs costing money cheap cheaper cheapest expensive budget affordable dollar
    dollars bucks just only also too very really quite rather maybe perhaps possibly actually now today still again
    back help interested interest wondering hoping trying think thinking know got go going come make made sell sells
    selling shopping pick picking picked oh ooh aha ah hmm hm keep keeps leave hunting hunt wallet browse browsing
    check checking explore choose choosing decide seek seeking require requires requiring wish wishing hope spend
    spending pay paying worth tomorrow tonight kindly dear sir madam honestly basically exactly absolutely definitely
    probably certainly especially particularly simply somewhere anywhere everywhere thought guess believe suppose
    bring grab fetch order anyone everybody everyone everything whatever whichever bit little around after before
    during since until through across along among stock carry available option options choice choices idea ideas best
    better nice great ideally preferably possible currently i'm i'd i'll i've don't didn't s t d ll ve re m im id ill
    ive dont didnt yet ever able use used using put take same different new shop store catalogue catalog list person
    someone somebody people ordering instead either neither both between least range limit no not without never none
    mind fine perfect cool alright right show'em gimme wanna gonna lemme called named term terms mean means case says
    say said tell told ask asked wife husband son daughter niece nephew mother father mom mum dad sister brother aunt
    uncle cousin grandma grandpa girlfriend boyfriend partner friend friends colleague boss neighbour neighbor turns
    turn turning trust trusts swear swears work works working break breaks breaking broke last lasts happen happens
    remember hear heard seem seems feel feels become becomes begin starts start started stop stops switch switching
    change changing move ran run talk wait helps usually normally always often sometimes recently lately
    already soon later earlier next label labels quickly monday tuesday wednesday thursday friday saturday sunday
    weekend week month year years two three four five six seven eight nine ten eleven twelve hundred thousand half
    dozen couple several ideal lovely wonderful awesome amazing fantastic important matter matters counts urgent day
    quality left old aged first second third hide remove omit ditch happy glad sorry hurry cute obsessed crazy mad
    chance section towards toward involved scratch deal deals discount discounts offer offers
    """
)

SENTENCE = SentenceWords(
    persons=word_set("i we you he she they everybody everyone someone somebody who"),
    possessives=word_set("my our his her their whose"),
    articles=word_set("a an the some any this that these those another"),
    indefinite=word_set("a an some"),
    be=word_set("am is are was were be been being m re isn aren wasn weren"),
    auxiliaries=word_set(
        "do does did don didn doesn have has had haven hasn ve will would ll d can could may might shall should must "
        "won wouldn couldn not t"
    ),
    modals=word_set("would will could can might should may"),
    adverbs=word_set(
        "just really also only already always never often usually recently finally actually still rather even both "
        "all now then kindly normally mostly mainly probably definitely absolutely simply sometimes once"
    ),
    wish_verbs=word_set(
        "want wants wanted wanting need needs needed needing like likes love loves prefer prefers fancy fancies enjoy "
        "enjoys adore adores wear wears eat eats drink drinks collect collects use uses buy buys buying get take see "
        "have find seek look looking search searching shopping require requires favour favor go "
        "recommend recommends recommended suggest suggests suggested mention mentions mentioned praise praises "
        "insist insists settled decided agreed picked opted chose choose pick"
    ),
    past=word_set(
        "saw told said got bought fell went took ran broke lost gave came heard met found made left thought knew "
        "wore ate drank began brought built caught cut did drew drove flew forgot froze grew held hid hit hurt "
        "kept led let paid put read rode sang sat sent shook slept spent spoke stole stood taught threw tore won "
        "wrote was were had"
    ),
    reasons=word_set("because since cause cos coz while when whenever until till unless"),
    new_clauses=word_set("and but or then so which that"),
    prepositions=word_set("for with in of about without to by from than on into like towards toward as after if"),
    places=word_set("at during before after"),
    occasions=word_set(
        "birthday anniversary wedding graduation retirement engagement housewarming party boss teacher colleague "
        "neighbour neighbor roommate flatmate present gift surprise"
    ),
    aspects=word_set(
        "colour color material size style taste flavour flavor smell scent shape fabric look design weight fit finish"
    ),
    nouns_of_form=word_set("one ones version versions kind kinds sort sorts type types stuff"),
    topics=word_set("show find want need looking shopping about have sell actually also next now give get see buy"),
    objects=word_set("it them me us"),
    questions=word_set("what how why when where which who"),
    refining=word_set("in with for of made like as something more preferably ideally prefer rather"),
    makers=word_set("by from"),
    things_shown=word_set("it they that which them these those this one ones"),
    openings=word_set(
        "a an the some any another and or but also so then now please ok okay yes yeah no nope well hi hello hey oh "
        "ah um maybe perhaps good great nice best new cheap different what thanks"
    ),
)
PROPERTIES = word_set(
    """
    cotton leather wool linen silk denim velvet nylon polyester fleece fur suede mesh canvas vinyl rubber silicone
    plastic metal steel iron titanium copper brass bronze aluminium aluminum chrome carbon wood oak pine teak bamboo
    rattan wicker jute foam porcelain marble stone paper kids children men women boys girls toddlers teens adults
    seniors beginners kid child man woman boy girl toddler teen adult beginner summer winter spring autumn christmas
    halloween easter bluetooth wifi usb gps led lcd solar hd vintage retro modern sport sports outdoor outdoors indoor
    indoors home office travel xs xl xxl mini midi maxi slim king queen twin double single vegan halal kosher keto
    decaf bass stereo warm light soft heavy thin thick big long short strong fresh sweet sour bitter hot cold cool mild
    dark bright smooth quiet loud round square flat deep dry wet clean safe simple smart compact sturdy tough firm
    cosy cozy comfy fluffy fuzzy shiny glossy matte matt spicy crunchy creamy salty fruity healthy easy pretty fancy
    elegant casual formal cheerful colorful funny silly young tall wide narrow broad loose tight rough raw natural
    pure plain neutral fast quick slow hard cute sleek chic premium luxury pro basic standard deluxe genuine
    authentic real fake handmade homemade imported local domestic digital analog manual auto stainless
    """
)
NOUNS = word_set(
    """
    fish goldfish dish polish radish relish varnish table cable vegetable bible ring string spring wing swing sling
    earring piercing clothing bedding pudding icing frosting stuffing dressing seasoning topping lighting painting
    drawing flooring railing ceiling building bed seed weed shed sled feed pedal sandal cereal animal journal crystal
    signal decal mural medal plant pant pendant lubricant deodorant disinfectant croissant elephant ant tent detergent
    present event scent accent accessory memory dictionary diary rosary olive hive drive archive adhesive music fabric
    garlic mic comic tonic cosmetic
    """
)
"""Things that end like adjectives."""

ENGLISH = Lexicon(
    code="en",
    spaced=True,
    prices=PRICES,
    reset=r"start(?:ing)? (?:over|again|afresh|anew|from scratch)|let(?:'?s| us) (?:start|begin) (?:over|again)"
    r"|begin again(?: from scratch)?"
    r"|reset(?: everything| all)?|forget (?:everything|all(?: of)?(?: that| this)?|it all|what i said)"
    r"|clear (?:everything|all)|from the beginning|new search|back to square one|(?:wipe the|clean) slate(?: clean)?",
    another=r"(?:something|anything|some(?:thing)?|what|show me|any) (?:else|other(?:s| ones?| options?| items?)?)\b"
    r"|another(?:,? please)?[ .!?]*$|another (?:one|option|suggestion|item|idea)"
    r"|others?(?: please)?$|(?:some )?other (?:ones|options|items"
    r"|suggestions)"
    r"|more (?:options|ideas|suggestions|results)|different ones?|next(?: one| page)?$"
    r"|(?:show|give)(?: me)?(?: some)? more(?= please|$|[.!?])|any more$|^more(?: please)?$|what else"
    r"|other than (?:this"
    r"|these|those|that)(?: ones?)?"
    r"|i(?:'ve| have) (?:already )?(?:seen|got|had) (?:these|those|them|this|that)(?: ones?)?(?: already)?",
    cheapest=r"(?:the )?(?:cheapest|least expensive|lowest[- ]priced|lowest price)(?: ones?| options?| items?)?",
    dearest=r"(?:the )?(?:most expensive|priciest|dearest|highest[- ]priced|highest price)"
    r"(?: ones?| options?| items?)?",
    cheaper=r"(?:a (?:bit|little) |much |something |anything |any |show me )*(?:cheaper|less expensive|less pricey"
    r"|lower[- ]priced)(?: ones?| options?| items?)?"
    r"|lower(?: the)? price|(?:too|so|very) (?:expensive|pricey|dear|costly)|(?:not|nothing)(?: too| so| that"
    r"| very)? (?:expensive|pricey|costly)"
    r"|costs? too much|for less(?: money)?\b(?! than)|(?:low[- ]cost|inexpensive|affordable|cheap)\b",
    dearer=r"more expensive|pricier|higher[- ]priced|more upscale|higher[- ]end|too cheap|more premium",
    anything=r"(?:what (?:do|would|can|could) you (?:recommend|suggest|have|sell|offer))"
    r"|(?:any )?(?:recommendations|suggestions|ideas)\b"
    r"|recommend(?: me)?(?: something| anything)?|suggest(?: me)?(?: something| anything)?|surprise me|best ?sellers?"
    r"|(?:something|what(?:'s| is)|anything) popular"
    r"|^(?:anything|everything)(?: at all)?(?: please)?[ .!?]*$|anything(?: is fine| goes| will do| new| good| nice)"
    r"|what(?:'s| is) (?:good|new"
    r"|popular)"
    r"|(?:show|give) me (?:something|anything|everything)$",
    thanks=rf"(?:(?:ok(?:ay)?|cool|alright|fine|{_PRAISE})[ ,.!]*)*(?:many )?(?:thanks|thank you|thx|cheers|ta)"
    rf"(?: (?:so|very) much| a lot| again| for (?:your|the) help)?(?:[ ,.!]*{_PRAISE})*[ ,.!]*(?:bye)?[.! ]*",
    greeting=r"(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|howdy|greetings)(?: there| everyone)?[ .!,]*",
    accept=r"(?:yes|yeah|yep|yup|sure|ok|okay|fine|go ahead|do it|please do|alright|of course|yes please"
    r"|drop it)[ .!,]*(?:please|thanks)?[.! ]*",
    decline=r"(?:no|nope|nah|no thanks|no thank you|better not|do not|don't|leave it)[ .!,]*"
    r"(?:please|thanks|thank you)?[.! ]*",
    lift_price=r"(?:(?:at )?any price|forget (?:what|everything) i said about (?:the |my )?(?:price|budget|cost)"
    r"|(?:the )?(?:price|money|cost|budget) (?:does not|doesn't|doesnt|is not|isn't"
    r"|no longer|is no)"
    r" (?:matters?|important|object|an? (?:issue|problem|object)|limit)|no (?:price "
    r"|budget )?limits?(?: on (?:the )?price)?|no (?:maximum|minimum|budget)\b"
    r"|(?:forget|ignore|drop|remove|lift|scrap|cancel|never mind|nevermind)(?: about)? (?:the |my )?(?:price|budget"
    r"|cost)(?: limits?| range)?"
    r"|(?:drop|remove|lift) (?:the )?(?:price )?limits?|whatever (?:the |it )?(?:price|costs?)|(?:do not|don't"
    r"|dont) (?:care|mind)(?: about| what)? (?:the )?(?:price|costs?|it costs)"
    r"|(?:price|cost|budget) is (?:no object|irrelevant|open|flexible)|regardless of (?:the )?(?:price|cost))",
    lift_brand=r"no (?:particular |specific )?brand(?: preferences?)?|any brand"
    r"|(?:the )?brand (?:does not|doesn't|doesnt) matter|whatever brand|brand is (?:irrelevant"
    r"|open)"
    r"|(?:do not|don't|dont) (?:care|mind) (?:about |which |what )?(?:the )?brand|(?:from )?(?:all|every"
    r"|other) brands?",
    lift_category=r"any category|any kind|all categories|every category|(?:the )?category (?:does not"
    r"|doesn't) matter|any department",
    gifts=r"gifts?|presents?",
    allowed=r"\b(?:is|are) (?:fine|ok|okay|allowed|alright|all right|no problem|welcome)(?: now| too| after all"
    r"| again| with me)?"
    r"|(?:i )?(?:do not|don't|dont) mind|(?:allow|include|bring back|can have|may have|may contain|can contain)\b"
    r"|ok(?:ay)? with|fine with",
    changes=r"actually|instead|on second thoughts?|(?:i )?(?:have |'ve )?changed my mind|something different|moving on"
    r"|(?:forget|scrap|never mind) (?:that|it|this|about that|the \w+)",
    people=(
        r"\b(?:people|someone|somebody|anyone|anybody|those|friends|kids|children|men|women|girls|boys"
        r"|a (?:friend|person|man|woman|girl|boy|child|kid|relative))(?: of mine)? (?:who|that)"
        r" (?:really |also |just )?(?:likes?|loves?|enjoys?|adores?"
        r"|(?:is|are) (?:into|fond of|a fan of|fans of|interested in|keen on|crazy about))"
        r" ((?:[^\s,.;!?|]+ ?){1,3})",
        r"\b([^\s,.;!?|]+) (?:lovers?|enthusiasts?)\b",
    ),
    idioms=r"as (?:long|soon|far) as|by the way|to be honest|moving on|same question|(?:it's |it has )?been ages"
    r"|of course|if possible",
    counted=r"(?!)",
    not_negations=r"^no (?:thanks|thank you)"
    r"|(?:can't|cannot|can not|cant|couldn't) (?:live|do|go|survive|manage) without"
    r"|nothing (?:beats|better than|like)|(?:i|we) (?:do not|don't|dont|have not|haven't) (?:have|own|got)"
    r"|(?:i'm |am |we're |are )?not (?:that |too |so |very )?(?:picky|fussy|choosy|urgent|convinced|happy|satisfied"
    r"|good enough|what i (?:meant|want|wanted|asked for))"
    r"|(?:do not|don't|dont) (?:forget|hesitate|get me wrong|think|see)|(?:cannot|can't|cant) (?:afford|see|think)"
    r"|not (?:sure|certain|only|necessarily|really sure|bad|yet|at all)|no (?:problem|worries|idea"
    r"|rush|preference|doubt|matter)"
    r"|(?:do not|don't|dont|do n't) (?:know|care|worry|remember|understand|bother|have (?:a|any) preference)"
    r"|why not|if not|or not|whether or not|can(?:'|no)?t (?:decide|find|wait)|could(?: not|n't) find"
    r"|can(?:no|')t (?:go|spend|pay)|(?:haven't|have not|didn't|did not) (?:seen|found|decided)|would(?:n't"
    r"| not) mind|never mind",
    kept=r"non[- ]?(?:stick|slip|toxic|skid|woven|fiction|drip|iron|abrasive|sterile|returnable)|no[- ]?(?:show"
    r"|tie|slip|sew|drill|spill)\b",
    denied_after=(
        r"\b((?!(?:hands?|duty|tax|toll|feel|is|are|for|was|wire|risk|hassle|be|a|the|get|got|buy|one)\b)[^\W\d_]+)"
        r"[- ]free\b",
        r"\b(?:leave|keep|cut|get) ([^.,;!?|]{2,40}?) out\b(?: of (?:it|this|that))?",
        r"\b(?:had|tried) ([^\W\d_]+) (?:once|before),? (?:and )?never again",
        r"\b([^\W\d_]+)[?,]? (?:no thanks|no thank you|no way|not for me|never again)\b",
        r"\b([^\W\d_]+) (?:is|are) (?:an? |absolutely |definitely |strictly )*(?:no-?go|out of the question|out\b"
        r"|off (?:the table|limits)"
        r"|forbidden|deal ?breaker|not (?:ok|okay|allowed|acceptable|an option))",
        r"\b([^\W\d_]+) (?:is|are|would be) (?:an? )?(?:no|nope|no[- ]no)(?: for (?:me|us|him|her|them))?"
        r"(?=$|[.,;!?|])",
        r"\b([^\W\d_]+) (?:isn't|aren't) (?:ok|okay|allowed|acceptable|an option)",
        r"\b([^\W\d_]+) (?:is|are) (?:something|things?|what|the one thing|a thing) (?:that )?(?:i|we|he|she|they) "
        r"(?:really |absolutely )?(?:can't|cannot|don't|do not|won't|never|hate|dislike|avoid|loathe|detest)"
        r"(?: \w+){0,2}",
        r"\b([^\W\d_]+) (?:makes|make|gives|give|causes|cause) (?:me|us|him|her|them|my \w+) (?:an? )?(?:\w+ )?"
        r"(?:sick|ill|itch|itchy|sneeze|rash|rashes|hives|headaches?|migraines?|nauseous|cough|pimples)",
    ),
    negations=r"(?:(?:^|(?<=[,|] )|please |and |you |then |also )(?:remove|hide|omit|drop|ditch|filter out|take out"
    r"|get rid of|throw out|rule out|sort out|weed out|screen out|cut out))(?: (?:everything|anything|all|any|the ones"
    r"|those|the|items?|products?|things))*(?: (?:with|of|from|by|containing|that (?:has|have|contains?|are|is)))?"
    r"|not (?:a (?:big )?fan of|keen on|fond of|into|crazy about|up for)"
    r"|(?:am |are |i'm |is )?(?:done|fed up|finished) with|(?:tired|sick) of|(?:had )?enough of|away from"
    r"|(?:reacts?|reaction) (?:badly )?to"
    r"|sensitive to|(?:do not|don't|dont|do n't|does not|doesn't|doesnt|would not|wouldn't|will not|won't|can not"
    r"|cannot|can't|cant|should not"
    r"|shouldn't|must not|mustn't|never|am not|is not|isn't|are not|aren't|not)(?: really| even| ever| currently)?"
    r"(?: (?:want|wants|do|like|need|have|has|contain|contains|include|includes|eat|drink|use|show(?: me)?|recommend"
    r"|suggest|give me|be|get|buy|stand|tolerate"
    r"|interested|looking|into|fond|made|eating|drinking|having|wanting|digest)"
    r"(?: to (?:see|have|get|buy|use|eat|drink|touch|try))?)?"
    r"|with ?out|w/o|with no|with zero|no|nothing(?: with| from| by| containing| that (?:has|contains))?|none of"
    r"|except(?: for)?|excluding|exclude|excludes"
    r"|avoid(?:ing|s)?|anything but|everything but|all but|other than|free (?:of|from)|allergic to|allerg(?:y"
    r"|ies) to|intolerant (?:to|of)"
    r"|hate|hates|dislike|skip|forget about|leave out|rather than|instead of|minus|keep away|stay away|steer clear",
    negation_ends=r"but|with|for|in|under|over|please|thanks|thank|that|which|who|because|i|i'm|i'd|we|is|are|if|so"
    r"|when|where|as|at|to"
    r"|show|give|find|get|only|just|though|then|want|need|looking|let|my|on|than|instead|can|could|would|should"
    r"|will|what|how|do|does|too|either|also|anymore|now",
    list_words=r"or|nor|and|&|as well as|plus",
    either=r"or(?: (?:maybe|perhaps|rather|else|even|also|possibly))?|and/or",
    listed=r"and(?: also| maybe)?|as well as|plus",
    joined=r"an?|the|some|any|either",
    made_by=r"by|from",
    adds=r"^or\b|\b(?:too|as well)$"
    r"|\b(?:is|are|would be) (?:also )?(?:fine|ok|okay|good|alright)(?: too| as well)?$",
    brand_before="by|from|brand|label|make",
    brand_after="brand",
    shown=r"(?:this|that|these|those|it|them|the (?:first|last|top))(?: ones?| items?| products?)?|any of (?:these"
    r"|those|them|this)(?: ones?)?",
    fillers=r"involved|included|anywhere|too|so|quite|any|anything|something|the|a|an|of|from|by|made|more|kind|kinds|type|sort|brand|brands|products?"
    r"|items?|ones?|stuff"
    r"|things?|containing|contain|contains|added|inside|it|them|like|all|those|these|such|much|ingredients?|in|with"
    r"|to|about|having|being"
    r"|another|other|allergens?|category|version|options?|anymore|whatsoever|please|really|very|eating|want|need"
    r"|some|for|on",
    service=r"my (?:order|package|parcel|delivery|refund|account|invoice|payment|purchase|subscription|shipment"
    r"|item arrive|return)|order (?:status|number|history)"
    r"|(?:return|refund|exchange|cancel|track|ship|deliver)(?:s|ing|ed)? (?:my|an?|the|it|this|something|policy"
    r"|items?|order|products?)"
    r"|ships? (?:to|abroad|internationally)\b"
    r"|refunds?\b|shipping|delivery|deliver(?:s|ed|ing)?\b|warranty|guarantee\b|invoice|customer (?:service"
    r"|support)|track(?:ing)? number|password|log ?in\b|sign in"
    r"|opening hours|payment methods?|pay (?:with|by)|gift cards?\b|voucher|coupon|promo code|discount code"
    r"|return(?:s)?(?: policy| label)?\b|damaged|broken|not arrived|arrived|contact (?:you|support)|cancel\b"
    r"|complain|complaint",
    sentence=SENTENCE,
    refined_before="",
    refined_after="",
    subject_before="",
    adjectives=r"proof|less|able|ible|free|ful|ous|ive|ish|ic|ical|ed|ing|al|ary|ory|ant|(?<!m)ent|some|like|size|sized",
    nouns=NOUNS,
    properties=PROPERTIES,
    stop=STOP,
    short=frozenset(),
    alternatives=(
        word_set("red blue green black white yellow purple violet grey gray pink orange brown beige gold silver"),
        word_set("small medium large tiny huge"),
    ),
    families={
        "nut": ("nut", "peanut", "almond", "walnut", "hazelnut", "cashew", "pecan", "pistachio", "macadamia",
                "praline"),
        "dairy": ("dairy", "milk", "cheese", "butter", "cream", "yogurt", "yoghurt", "whey", "lactose", "casein"),
        "gluten": ("gluten", "wheat", "barley", "rye"),
        "sugar": ("sugar",),
        "alcohol": ("alcohol", "ethanol"),
    },
    denials=(
        r"\b(?:no|without|zero|non|(?<![\d.,])0|free of|free from|not contain|contains no|never)[\s-]+{word}\b",
        r"\b{word}[\s-]+free\b",
    ),
    plurals={
        "men": "man", "women": "woman", "children": "child", "kids": "kid", "feet": "foot", "teeth": "tooth",
        "mice": "mouse", "geese": "goose", "knives": "knife", "shelves": "shelf", "scarves": "scarf", "leaves": "leaf",
        "loaves": "loaf", "wolves": "wolf", "halves": "half", "shoes": "shoe", "toes": "toe", "lenses": "lens",
        "lens": "lens", "buses": "bus", "gases": "gas", "headaches": "headache", "christmas": "christmas",
    },
)  # fmt: skip
