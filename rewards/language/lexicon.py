"""The commonest words of running text and of sums in the languages in Latin script.

A statistical model of letter sequences says little about a word of two or three letters; these lists say it outright.
A word in several lists speaks for each of them.
"""

from __future__ import annotations

COMMON = {
    "en": """
        the die of and to in is that it for was on are as with his they at be this have from or had by but not
        what all were we when your can said there use an each which she do how their if will up other about
        out many then them these so some her would make like him into time has look two more go see no way
        could my than been who its now did get may you he me our us one three four five six seven eight nine
        ten hundred let therefore because since thus hence wait check again first next also where why total
        number answer must need should after before find compute calculate evaluate simplify solve determine
        given prove suppose assume equals equal sum difference product quotient square root times plus minus
        divided multiply add subtract value values equation function triangle circle area length angle point
        line integer integers positive negative even odd prime every both same different per cost costs much
        left day days week hour hours minutes miles people remaining only just still okay actually maybe hmm
        yes step case between half twice here solution problem question means become becomes am any very over
        under while does don isn doesn right bought sold shared gives gave drank""",
    "de": """
        der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus
        er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder
        aber vor zur bis mehr durch man sein wurde sei wenn wir ich also daher denn da dann damit kann muss
        müssen hier jetzt gibt zwei drei vier fünf sechs sieben acht neun zehn hundert zuerst insgesamt warte
        moment ihm ihr ihre seine was wer wo uns mal alle diese dieser dieses jede jeder beträgt ergibt gleich
        finde berechne bestimme vereinfache löse gegeben angenommen summe differenz produkt quadrat wurzel
        plus minus geteilt multipliziere addiere subtrahiere wert gleichung funktion dreieck kreis fläche
        länge winkel punkt gerade ganze positive negative zahl zahlen lösung aufgabe frage antwort ergebnis
        schritt fall hälfte doppelt vielleicht tatsächlich genau heißt bedeutet bleiben bleibt übrig kosten
        kostet tag tage woche stunde stunden minuten leute nochmal richtig falsch ja nein unter während bevor
        danach deshalb""",
    "fr": """
        de la le et les des en un du une que est pour qui dans par plus pas au sur ne se ce il sont avec ou
        son lui nous comme mais on si leur dont ses elle tout aussi je fait aux cette ces deux trois quatre
        cinq six sept huit neuf dix cent donc car alors ainsi puis parce quand où chaque combien être avoir
        était ont peut faut doit très sans entre même encore attends voici cela ça mon ma mes sa nombre total
        réponse ensuite après avant vous tu ils elles avons moins trouver calculer calculons déterminer
        simplifier résoudre trouvons supposons soit somme différence produit carré racine fois divisé
        multiplier ajouter valeur équation fonction triangle cercle aire longueur angle point droite entier
        entiers positif négatif nombres solution problème question résultat étape cas moitié double maintenant
        exactement signifie reste restent coûte jour jours semaine heure heures minutes personnes oui non
        vraiment bien vérifions obtient obtenons""",
    "es": """
        de la que el en los del se las por un para con no una su al lo como más pero sus le ya este sí porque
        esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les
        ni contra otros ese eso ante ellos esto mí antes algunos qué unos yo otro otras otra él tanto esa
        estos mucho cual son es dos tres cuatro cinco seis siete ocho nueve diez cien entonces luego así cada
        cuántos cuántas tiene tenemos espera primero después número respuesta total debe era fue ha si
        encontrar hallar calcular calculamos determinar simplificar resolver sea supongamos suma diferencia
        producto cuadrado raíz veces menos dividido multiplicar sumar restar valor ecuación función triángulo
        círculo área longitud ángulo punto recta entero enteros positivo negativo números solución problema
        pregunta resultado paso caso mitad doble ahora quizás tal vez exactamente significa queda quedan
        cuesta día días semana hora horas minutos personas verdad bien vamos obtenemos cuánto cuánta""",
    "sw": """
        na ya wa kwa ni za la katika kuwa cha vya hii hiyo huo hizo hili hilo yake wake lake zake yangu wangu
        kama lakini au pia kila moja mbili tatu nne tano sita saba nane tisa kumi mia elfu hivyo basi sasa
        kisha halafu ili bila baada kabla ambao ambayo ambacho wote yote zote sana tu ana wana tuna nina una
        ina hana alikuwa walikuwa ilikuwa ikiwa kwamba hapa huko jumla jibu namba idadi ngapi subiri kwanza
        tena zaidi kutoka hadi mpaka wakati watu mtu siku mwaka sisi mimi wewe yeye wao si hakuna tafuta
        hesabu kokotoa rahisisha tatua tuseme jumlisha toa zidisha gawanya tofauti zao mraba mzizi mara sawa
        thamani mlinganyo pembetatu duara eneo urefu pembe nukta mstari chanya hasi suluhisho tatizo swali
        matokeo hatua nusu maradufu labda hasa maana inabaki gharama wiki saa dakika kweli hapana ndiyo nzuri
        tunapata je""",
    "it": """
        il lo la gli le di da in con su per tra fra un una uno che non si sono ha hanno del della dei delle
        nel nella al alla come ma anche più se quando quindi perché questo questa quello due tre quattro
        cinque sei sette otto nove dieci cento ogni numero risposta somma equazione ora dopo prima poi così
        abbiamo deve può essere""",
    "pt": """
        os as um uma de do da dos das em no na nos nas por para com que não se mas como mais foi são tem então
        porque isso este esta ele ela quando também já muito dois duas três quatro cinco seis sete oito nove
        dez cem cada número resposta soma equação agora depois portanto temos deve ser pode estão ao até você""",
    "nl": """
        de het een en van in is op te dat die voor met niet zijn aan er om ook als maar bij nog naar uit dan
        wordt wat heeft dus want omdat zij hij we je ik deze dit twee drie vier vijf zes zeven acht negen tien
        honderd elke getal antwoord som vergelijking nu moet kan hebben hoeveel""",
    "pl": """
        nie na się jest do to że jak ale co tak od za po przez przy dla oraz więc bo czy są był było być może
        który która które ten ta te dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć sto każdy liczba
        odpowiedź suma równanie teraz potem mamy ponieważ dlatego ile""",
    "tr": """
        bir ve bu için ile de da ne çok daha gibi olarak var olan kadar sonra ise ama her iki üç dört beş altı
        yedi sekiz dokuz on yüz sayı cevap toplam denklem şimdi çünkü olur eder mi değil yani önce olduğu kaç""",
    "vi": """
        và của là có không được cho các một những trong với này đó khi để thì từ như đã ra vào nếu nên vì hai
        ba bốn năm sáu bảy tám chín mười trăm mỗi số đáp án tổng phương trình bây giờ tôi ta chúng do vậy cô
        anh nhiêu bao""",
    "id": """
        yang dan di ke dari untuk dengan pada ini itu adalah tidak akan juga dalam dia saya kita mereka atau
        karena jadi maka jika ada bisa oleh sudah telah satu dua tiga empat lima enam tujuh delapan sembilan
        sepuluh seratus setiap angka jawaban jumlah persamaan sekarang kemudian berapa""",
    "sv": """
        och att det som en ett är på av för med den till inte om har de jag han hon vi så men kan från eller
        när ska måste också där alla två tre fyra fem sex sju åtta nio tio hundra varje tal svar summa
        ekvation nu sedan eftersom därför hur""",
    "ro": """
        și de la în cu pe un că nu este sunt din pentru care mai se să ce dar dacă sau după când are fost doi
        două trei patru cinci șase șapte opt nouă zece sută fiecare numărul răspunsul suma ecuația acum deci
        deoarece astfel""",
}

NUMBERS = {
    "en": """
        zero eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty
        seventy eighty ninety thousand million billion""",
    "de": """
        null eins elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig dreißig vierzig
        fünfzig sechzig siebzig achtzig neunzig tausend million millionen milliarde""",
    "fr": """
        zéro onze douze treize quatorze quinze seize vingt trente quarante cinquante soixante mille million millions
        milliard""",
    "es": """
        cero once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno treinta cuarenta
        cincuenta sesenta setenta ochenta noventa ciento cientos mil millón millones""",
    "sw": "sifuri ishirini thelathini arobaini hamsini sitini sabini themanini tisini milioni",
    "it": """
        zero undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove venti trenta quaranta
        cinquanta sessanta settanta ottanta novanta mille mila milione""",
    "pt": """
        zero onze doze treze catorze quinze dezesseis dezessete dezoito dezenove vinte trinta quarenta cinquenta
        sessenta setenta oitenta noventa cento mil milhão""",
    "nl": """
        nul één elf twaalf dertien veertien vijftien zestien zeventien achttien negentien twintig dertig veertig vijftig
        zestig zeventig tachtig negentig duizend miljoen""",
    "pl": """
        zero jedenaście dwanaście trzynaście czternaście piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście
        dwadzieścia trzydzieści czterdzieści pięćdziesiąt sześćdziesiąt siedemdziesiąt osiemdziesiąt dziewięćdziesiąt
        tysiąc milion""",
    "tr": "sıfır yirmi otuz kırk elli altmış yetmiş seksen doksan bin milyon",
    "vi": "bốn lăm nghìn ngàn triệu tỷ",
    "id": "nol sebelas belas puluh ratus seribu ribu juta",
    "sv": """
        noll elva tolv tretton fjorton femton sexton sjutton arton nitton tjugo trettio fyrtio femtio sextio sjuttio
        åttio nittio tusen miljon""",
    "ro": """
        zero unsprezece doisprezece treisprezece paisprezece cincisprezece șaisprezece șaptesprezece optsprezece
        nouăsprezece douăzeci treizeci patruzeci cincizeci șaizeci șaptezeci optzeci nouăzeci mie mii milion""",
}
"""The rest of the words that numbers are made of: sums in words have few others."""


def lexicon_masks(languages: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """Word to one number per language, 1.0 where the word is common in it."""
    words = {
        language: frozenset(f"{COMMON.get(language, '')} {NUMBERS.get(language, '')}".split()) for language in languages
    }
    every: frozenset[str] = frozenset().union(*words.values())
    return {word: tuple(float(word in words[language]) for language in languages) for word in every}
