"""The commonest short words of the languages in Latin script.

A statistical model of letter sequences says little about a word of two or three letters; these lists say it outright.
A word in several lists speaks for each of them.
"""

from __future__ import annotations

COMMON = {
    "en": """
        the of and to in is that it for was on are as with his they at be this have from or had by but not
        what all were we when your can said there use an each which she do how their if will up other about
        out many then them these so some her would make like him into time has look two more go see no way
        could my than been who its now did get may you he me our us one three four five six seven eight nine
        ten hundred let therefore because since thus hence wait check again first next also where why total
        number answer must need should after before""",
    "de": """
        der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden
        aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur
        oder aber vor zur bis mehr durch man sein wurde sei wenn wir ich also daher denn da dann damit kann
        muss müssen hier jetzt gibt zwei drei vier fünf sechs sieben acht neun zehn hundert zuerst insgesamt
        warte moment ihm ihr ihre seine was wer wo uns mal alle diese dieser dieses jede jeder beträgt
        ergibt gleich""",
    "fr": """
        de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec
        ou son lui nous comme mais on si leur y dont ses elle tout aussi je fait aux cette ces deux trois
        quatre cinq six sept huit neuf dix cent donc car alors ainsi puis parce quand où chaque combien être
        avoir était ont peut faut doit très sans entre même encore attends voici cela ça mon ma mes sa
        nombre total réponse d'abord ensuite après avant vous tu ils elles était avons est-ce moins""",
    "es": """
        de la que el en y a los del se las por un para con no una su al lo como más pero sus le ya o este sí
        porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos
        uno les ni contra otros ese eso ante ellos e esto mí antes algunos qué unos yo otro otras otra él
        tanto esa estos mucho cual son es dos tres cuatro cinco seis siete ocho nueve diez cien entonces
        luego así cada cuántos cuántas tiene tenemos espera primero después número respuesta total debe era
        fue ha si""",
    "sw": """
        na ya wa kwa ni za la katika kuwa cha vya hii hiyo huo hizo hili hilo yake wake lake zake yangu
        wangu kama lakini au pia kila moja mbili tatu nne tano sita saba nane tisa kumi mia elfu hivyo basi
        sasa kisha halafu ili bila baada kabla ambao ambayo ambacho wote yote zote sana tu ana wana tuna
        nina una ina hana alikuwa walikuwa ilikuwa ikiwa kwamba hapa huko jumla jibu namba idadi ngapi
        subiri kwanza tena zaidi kutoka hadi mpaka wakati watu mtu siku mwaka sisi mimi wewe yeye wao si
        hakuna""",
}


def lexicon_masks(languages: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """Word to one number per language, 1.0 where the word is common in it."""
    words = {language: frozenset(COMMON.get(language, "").split()) for language in languages}
    every = frozenset().union(*words.values())
    return {word: tuple(float(word in words[language]) for language in languages) for word in every}
